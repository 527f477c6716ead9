"""How many replicas follow the load, when a deployment sleeps and what wakes it."""

from roundhouse_scheduler.domain.autoscale.demand import NO_DEMAND, Demand, Recommended

__all__ = ["NO_DEMAND", "Demand", "Recommended"]

"""How many replicas follow the load, when a deployment sleeps and what wakes it.

`demand` is what is seen, `advice` what it asks for, `steady` waits until it means it, `bounds` are the limits of the
hour, `sleep` puts to sleep and wakes, and `step` is the step of the decision. The step is not imported here: the view
and the plan hold a `Demand`.
"""

from roundhouse_scheduler.domain.autoscale.demand import NO_DEMAND, Demand, Recommended

__all__ = ["NO_DEMAND", "Demand", "Recommended"]

"""Placement: filter -> score -> pick. Every rejection is kept per node, as a reason."""

from roundhouse_scheduler.domain.placement.place import Choice, Infeasible, place, place_pending

__all__ = ["Choice", "Infeasible", "place", "place_pending"]

"""The scorers: 0 (worst) to 1 (best) for a node that fits. `SCORERS` is the whole list with its weights."""

from collections.abc import Callable

from roundhouse_scheduler.domain.placement.candidates import Candidate, Demand

__all__ = ["SCORERS", "Scorer", "total_score"]

Scorer = Callable[[Demand, Candidate], float]


def spread(demand: Demand, candidate: Candidate) -> float:
    """Fewer replicas of the same deployment: one node's death takes fewer of them."""
    return 1.0 / (1 + candidate.count_of(demand.replica.deployment_id))


def room(demand: Demand, candidate: Candidate) -> float:
    """The larger share of memory left."""
    resources = demand.version.resources
    if resources.device_count > 0:
        fitting = candidate.fitting_devices(demand)[: resources.device_count]
        total = sum(device.memory_total_bytes for device in fitting)
        free = sum(candidate.free_device_bytes(device) for device in fitting)
    else:
        total, free = candidate.node.inventory.memory_total_bytes, candidate.free_memory_bytes
    return max(0.0, free / total) if total > 0 else 0.0


def keeps_devices_free(demand: Demand, candidate: Candidate) -> float:
    """A replica that needs no device stays off nodes that have them, if it can."""
    has_devices = bool(candidate.node.inventory.devices)
    return 0.0 if has_devices and demand.version.resources.device_count == 0 else 1.0


SCORERS: tuple[tuple[float, Scorer], ...] = (
    (4.0, spread),
    (1.0, room),
    (0.5, keeps_devices_free),
)


def total_score(demand: Demand, candidate: Candidate) -> float:
    """Return the weighted sum of all scorers."""
    return sum(weight * scorer(demand, candidate) for weight, scorer in SCORERS)

"""The scores: what makes one node that fits better than another. Higher is better; `docs/how-to/place-replicas.md` says
it for people. Weights are far enough apart that a later question only decides between equals of an earlier one, except
between where siblings are and how much room there is, which are weighed against each other.
"""

from collections.abc import Sequence

from roundhouse_common.contracts.catalog import AntiAffinity, Placement, PlacementStrategy
from roundhouse_scheduler.domain.placement.candidates import Candidate, DeviceRoom
from roundhouse_scheduler.domain.placement.demand import Shape

__all__ = ["files_term", "has_engine", "node_term", "score", "zone_term"]

_PREFERRED_OPTION = 100.0
_HEALTHY = 20.0
_PACKED = 8.0
_KEEPS_DEVICES_FREE = 0.5
_APART = 4.0
_APART_WHEN_PACKED = 0.25
_ENGINE_THERE = 1.25
_FILES_THERE = 1.25
"""Each outweighs how full a node is, and neither puts two replicas on one node that a second node would take."""


def score(shape: Shape, index: int, candidate: Candidate, devices: Sequence[DeviceRoom]) -> float:
    """Return the score of a node for a replica that would run by option `index` on these devices."""
    found = _PREFERRED_OPTION * (1.0 - index / len(shape.options))
    free = room(candidate, devices)
    found += _PACKED * (1.0 - free) if shape.placement.strategy is PlacementStrategy.PACK else free
    if devices:
        found -= _HEALTHY * sum(device.is_degraded for device in devices) / len(devices)
    elif candidate.devices:
        found -= _KEEPS_DEVICES_FREE
    if shape.installs_engine and not has_engine(shape, candidate):
        found -= _ENGINE_THERE
    return found


def has_engine(shape: Shape, candidate: Candidate) -> bool:
    """Return whether the engine is there, in the version that is asked for."""
    if shape.engine not in candidate.engines:
        return False
    return not shape.engine_version or shape.engine_version in candidate.engine_versions.get(shape.engine, ())


def files_term(*, are_there: bool) -> float:
    """A node that has the files need not fetch them. Not part of `score`, which all that ask for the same share."""
    return _FILES_THERE if are_there else 0.0


def room(candidate: Candidate, devices: Sequence[DeviceRoom]) -> float:
    """Return the share of memory that is free, 0 to 1: of the node's and of the chosen devices, half and half."""
    if not devices:
        return _share(candidate.free_memory_bytes, candidate.node.inventory.memory_total_bytes)
    free, total = 0, 0
    for device in devices:
        free += device.free_bytes
        total += device.info.memory_total_bytes
    return (_share(free, total) + _share(candidate.device_free, candidate.device_total)) / 2


def node_term(placement: Placement, siblings: int) -> float:
    """Fewer siblings on the node: its death takes fewer of them."""
    return _apart(placement, placement.node_anti_affinity, siblings)


def zone_term(placement: Placement, siblings: int) -> float:
    """Fewer siblings in the zone, likewise."""
    return _apart(placement, placement.zone_anti_affinity, siblings)


def _apart(placement: Placement, rule: AntiAffinity, siblings: int) -> float:
    if rule is AntiAffinity.NONE:
        return 0.0
    weight = _APART_WHEN_PACKED if placement.strategy is PlacementStrategy.PACK else _APART
    return weight / (1 + siblings)


def _share(free: int, total: int) -> float:
    return max(0.0, min(1.0, free / total)) if total > 0 else 0.0

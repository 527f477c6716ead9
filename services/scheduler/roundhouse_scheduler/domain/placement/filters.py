"""The filters: which of them a node fails first. `NODE_FILTERS` ask about the node as a whole, in order; then each
option asks for devices, memory and cores. What can never do is asked before what may change.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from roundhouse_common.contracts.catalog import AntiAffinity
from roundhouse_common.contracts.scheduler import NodeAdmission
from roundhouse_scheduler.domain.placement.candidates import Candidate, DeviceRoom
from roundhouse_scheduler.domain.placement.demand import Shape
from roundhouse_scheduler.domain.placement.devices import Miss, choose_devices
from roundhouse_scheduler.domain.placement.scores import score
from roundhouse_scheduler.domain.records import NodeDuty, RejectionReason

__all__ = ["MOMENTARY", "NODE_FILTERS", "Filter", "Fit", "judge", "judge_option"]

_R = RejectionReason
Filter = Callable[[Shape, Candidate], bool]
"""Whether the node passes."""


class Fit(NamedTuple):
    """The node will do."""

    option: int
    score: float
    """Apart from where its siblings are."""


def engine_is_there(shape: Shape, candidate: Candidate) -> bool:
    return shape.engine in candidate.engines


def node_is_chosen(shape: Shape, candidate: Candidate) -> bool:
    return not shape.node_ids or candidate.node_id in shape.node_ids


def region_matches(shape: Shape, candidate: Candidate) -> bool:
    return shape.placement.region in ("", candidate.region)


def zone_matches(shape: Shape, candidate: Candidate) -> bool:
    return shape.placement.zone in ("", candidate.zone)


def labels_match(shape: Shape, candidate: Candidate) -> bool:
    wanted = shape.placement.node_labels
    return not wanted or all(candidate.labels.get(key) == value for key, value in wanted.items())


def zone_is_known(shape: Shape, candidate: Candidate) -> bool:
    """Where siblings must be in different zones, a node must say in which one it is."""
    return bool(candidate.zone) or shape.placement.zone_anti_affinity is not AntiAffinity.REQUIRED


def node_is_approved(_shape: Shape, candidate: Candidate) -> bool:
    return candidate.node.admission is NodeAdmission.APPROVED


def node_is_active(_shape: Shape, candidate: Candidate) -> bool:
    return candidate.node.duty is NodeDuty.ACTIVE


def node_stays(_shape: Shape, candidate: Candidate) -> bool:
    return not candidate.node.is_shutting_down


def node_is_heard(_shape: Shape, candidate: Candidate) -> bool:
    return not candidate.is_late


NODE_FILTERS: tuple[tuple[RejectionReason, Filter], ...] = (
    (_R.ENGINE_MISSING, engine_is_there),
    (_R.NOT_CHOSEN, node_is_chosen),
    (_R.REGION, region_matches),
    (_R.ZONE, zone_matches),
    (_R.LABELS, labels_match),
    (_R.ANTI_AFFINITY, zone_is_known),
    (_R.NODE_NOT_APPROVED, node_is_approved),
    (_R.NODE_CORDONED, node_is_active),
    (_R.NODE_SHUTTING_DOWN, node_stays),
    (_R.NODE_NOT_READY, node_is_heard),
)

MOMENTARY = frozenset({_R.NODE_NOT_APPROVED, _R.NODE_CORDONED, _R.NODE_SHUTTING_DOWN, _R.NODE_NOT_READY})
"""What may pass without anything being bought or moved."""

_NEVER = frozenset({_R.DEVICE_VENDOR, _R.DEVICE_MODEL, _R.NOT_CHOSEN})


def judge(shape: Shape, candidate: Candidate) -> Fit | Miss:
    """Return how a node would run a replica of this shape, or the reason why it cannot now."""
    for reason, passes in NODE_FILTERS:
        if not passes(shape, candidate):
            if reason not in MOMENTARY:
                return Miss(reason)
            found = _by_options(shape, candidate)
            return found if isinstance(found, Miss) and found.reason in _NEVER else Miss(reason)
    return _by_options(shape, candidate)


_NEARNESS = (_R.DEVICE_VENDOR, _R.NOT_CHOSEN, _R.DEVICE_MODEL, _R.DEVICE_HEALTH, _R.DEVICES, _R.MEMORY, _R.CPU)


def _by_options(shape: Shape, candidate: Candidate) -> Fit | Miss:
    """The first option that fits; when none does, the miss of the one that came furthest."""
    nearest: Miss | None = None
    for index in range(len(shape.options)):
        found = judge_option(shape, index, candidate)
        if isinstance(found, Fit):
            return found
        if nearest is None or _NEARNESS.index(found.reason) > _NEARNESS.index(nearest.reason):
            nearest = found
    assert nearest is not None, "a shape has at least one option"
    return nearest


def judge_option(shape: Shape, index: int, candidate: Candidate) -> Fit | Miss:
    """Return how a node would run a replica by one option, or why it cannot, apart from the node as a whole."""
    option = shape.options[index]
    needs = option.resources
    devices: Sequence[DeviceRoom] = ()
    if needs.device_count > 0:
        chosen = choose_devices(shape, index, candidate)
        if isinstance(chosen, Miss):
            return chosen
        devices = chosen
    else:
        if option.vendors and not any(_has_vendors(option.vendors, room.info.vendor) for room in candidate.devices):
            return Miss(_R.DEVICE_VENDOR, index)
        if option.models and not any(option.takes_model(room.info.model) for room in candidate.devices):
            return Miss(_R.DEVICE_MODEL, index)
        if candidate.free_memory_bytes < needs.memory_bytes:
            return Miss(_R.MEMORY, index, needs.memory_bytes - candidate.free_memory_bytes)
    if needs.cpu_millis and candidate.free_cpu_millis < needs.cpu_millis:
        return Miss(_R.CPU, index)
    return Fit(index, score(shape, index, candidate, devices))


def _has_vendors(vendors: tuple[str, ...], vendor: str) -> bool:
    return all(vendor == wanted for wanted in vendors)

"""The filters: which of them a node fails first. `NODE_FILTERS` ask about the node as a whole, in order; then each
option asks for devices, memory and cores. What can never do is named before what may change.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

from roundhouse_common.contracts.catalog import AntiAffinity
from roundhouse_scheduler.domain.placement.candidates import Candidate, DeviceRoom
from roundhouse_scheduler.domain.placement.demand import Shape
from roundhouse_scheduler.domain.placement.devices import Miss, choose_devices
from roundhouse_scheduler.domain.placement.scores import has_engine, score
from roundhouse_scheduler.domain.records import RejectionReason

__all__ = ["NODE_FILTERS", "Filter", "Fit", "judge", "judge_option"]

_R = RejectionReason
Filter = Callable[[Shape, Candidate], bool]
"""Whether the node passes."""


class Fit(NamedTuple):
    """The node will do."""

    option: int
    score: float
    """Apart from where its siblings are."""


def engine_is_there(shape: Shape, candidate: Candidate) -> bool:
    """It is there in the version asked for, or the node may install it."""
    if not shape.engine_version and shape.engine in candidate.engines:
        return True
    return has_engine(shape, candidate) or (shape.installs_engine and shape.engine in candidate.installable)


def node_is_chosen(shape: Shape, candidate: Candidate) -> bool:
    return candidate.node_id in shape.node_ids


def region_matches(shape: Shape, candidate: Candidate) -> bool:
    return shape.placement.region == candidate.region


def zone_matches(shape: Shape, candidate: Candidate) -> bool:
    return shape.placement.zone == candidate.zone


def labels_match(shape: Shape, candidate: Candidate) -> bool:
    return all(candidate.labels.get(key) == value for key, value in shape.placement.node_labels.items())


def zone_is_known(_shape: Shape, candidate: Candidate) -> bool:
    """Where siblings must be in different zones, a node must say in which one it is."""
    return bool(candidate.zone)


NODE_FILTERS: tuple[tuple[RejectionReason, Filter, Callable[[Shape], bool]], ...] = (
    (_R.ENGINE_MISSING, engine_is_there, lambda shape: True),
    (_R.NOT_CHOSEN, node_is_chosen, lambda shape: bool(shape.node_ids)),
    (_R.REGION, region_matches, lambda shape: bool(shape.placement.region)),
    (_R.ZONE, zone_matches, lambda shape: bool(shape.placement.zone)),
    (_R.LABELS, labels_match, lambda shape: bool(shape.placement.node_labels)),
    (_R.ANTI_AFFINITY, zone_is_known, lambda shape: shape.placement.zone_anti_affinity is AntiAffinity.REQUIRED),
)
"""The reason, the filter, and whether a shape asks for it at all. Then comes what hinders a node now
(`candidates.MOMENTARY`), and then what each option needs."""

_NEVER = frozenset({_R.DEVICE_VENDOR, _R.DEVICE_MODEL, _R.NOT_CHOSEN})


def judge(shape: Shape, candidate: Candidate) -> Fit | Miss:
    """Return how a node would run a replica of this shape, or the reason why it cannot now."""
    for reason, passes in _filters_of(shape):
        if not passes(shape, candidate):
            return Miss(reason)
    found = judge_option(shape, 0, candidate) if len(shape.options) == 1 else _by_options(shape, candidate)
    if candidate.hindrance is not None and not (isinstance(found, Miss) and found.reason in _NEVER):
        return Miss(candidate.hindrance)
    return found


@functools.lru_cache(maxsize=4096)
def _filters_of(shape: Shape) -> tuple[tuple[RejectionReason, Filter], ...]:
    return tuple((reason, passes) for reason, passes, is_asked in NODE_FILTERS if is_asked(shape))


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

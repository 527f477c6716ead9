"""Which devices of one node a replica gets: of one model, close together, the healthy ones first."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from roundhouse_common.contracts.catalog import PlacementStrategy
from roundhouse_common.contracts.node import DeviceLink
from roundhouse_scheduler.domain.placement.candidates import Candidate, DeviceRoom
from roundhouse_scheduler.domain.placement.demand import Option, Shape
from roundhouse_scheduler.domain.records import RejectionReason

__all__ = ["Miss", "choose_by_model", "choose_devices", "device_miss", "fitting_devices"]


class Miss(NamedTuple):
    """Why a node will not do, without words: those are made only for people who ask."""

    reason: RejectionReason
    option: int = 0
    """Index of the option that came closest."""
    lacks_bytes: int = 0
    """For MEMORY: how much more would have to be free."""


_R = RejectionReason


def device_miss(shape: Shape, option: Option, room: DeviceRoom) -> RejectionReason | None:
    """Return why one device will not do, or None. `DEVICES` means that others claim it, or it would have to be whole.

    The order of the questions is the order in which reasons are shown: what can never do comes before what is taken.
    """
    if shape.device_uuids and room.uuid not in shape.device_uuids:
        return _R.NOT_CHOSEN
    for vendor in option.vendors:
        if room.info.vendor != vendor:
            return _R.DEVICE_VENDOR
    if option.models and not option.takes_model(room.info.model):
        return _R.DEVICE_MODEL
    if room.barred:
        return _R.DEVICE_HEALTH
    if room.is_whole or (room.holders and option.resources.is_exclusive):
        return _R.DEVICES
    if room.free_bytes < option.resources.memory_bytes:
        return _R.MEMORY
    return None


def fitting_devices(shape: Shape, option: Option, candidate: Candidate) -> list[DeviceRoom]:
    """Return the devices of which `device_miss` says nothing. Asked of every node, hence written out."""
    need = option.resources.memory_bytes
    found = [room for room in candidate.devices if room.free_bytes >= need and not room.barred and not room.is_whole]
    if option.resources.is_exclusive:
        found = [room for room in found if not room.holders]
    if shape.device_uuids or option.vendors or option.models:
        found = [room for room in found if device_miss(shape, option, room) is None]
    return found


def choose_devices(shape: Shape, index: int, candidate: Candidate) -> Sequence[DeviceRoom] | Miss:
    """Return the devices for one replica that runs by option `index`, or why there are not enough."""
    option = shape.options[index]
    count = option.resources.device_count
    fitting = fitting_devices(shape, option, candidate)
    if len(fitting) < count:
        return _why_not(shape, index, candidate)
    is_packed = shape.placement.strategy is PlacementStrategy.PACK
    if count == 1:
        return (min(fitting, key=_fullest if is_packed else _emptiest),)
    groups = [group for group in _by_model(candidate, fitting) if len(group) >= count]
    if not groups:
        return Miss(_R.DEVICES, index)
    return min(_closest(group, count, is_packed=is_packed) for group in groups)[-1]


def choose_by_model(shape: Shape, index: int, candidate: Candidate) -> dict[str, Sequence[DeviceRoom]]:
    """Return the devices for one replica, for each model of which there are enough."""
    option = shape.options[index]
    count = option.resources.device_count
    is_packed = shape.placement.strategy is PlacementStrategy.PACK
    return {
        group[0].info.model: _closest(group, count, is_packed=is_packed)[-1]
        for group in _by_model(candidate, fitting_devices(shape, option, candidate))
        if len(group) >= count
    }


def _emptiest(room: DeviceRoom) -> tuple[bool, int, int, str]:
    return room.is_degraded, -room.free_bytes, room.index, room.uuid


def _fullest(room: DeviceRoom) -> tuple[bool, int, int, str]:
    return room.is_degraded, room.free_bytes, room.index, room.uuid


def _by_model(candidate: Candidate, rooms: list[DeviceRoom]) -> list[list[DeviceRoom]]:
    if candidate.is_uniform or not rooms:
        return [rooms] if rooms else []
    groups: dict[str, list[DeviceRoom]] = {}
    for room in rooms:
        groups.setdefault(room.info.model, []).append(room)
    return [groups[model] for model in sorted(groups)]


_Ranked = tuple[int, int, int, int, int, str, list[DeviceRoom]]


def _closest(rooms: list[DeviceRoom], count: int, *, is_packed: bool) -> _Ranked:
    """Return the best run of neighbours: few degraded, few pairs without a direct link where links are told, no gaps,
    then most room (or, packing, least)."""
    sign = 1 if is_packed else -1
    are_links_told = any(room.info.links for room in rooms)
    if are_links_told:
        rooms = _linked_together(rooms)
    free = list(itertools.accumulate((room.free_bytes for room in rooms), initial=0))
    degraded = list(itertools.accumulate((room.is_degraded for room in rooms), initial=0))
    best = min(
        (
            degraded[start + count] - degraded[start],
            _unlinked(rooms[start : start + count]) if are_links_told else 0,
            abs(rooms[start + count - 1].index - rooms[start].index),
            sign * (free[start + count] - free[start]),
            rooms[start].index,
            rooms[start].uuid,
            start,
        )
        for start in range(len(rooms) - count + 1)
    )
    return (*best[:-1], rooms[best[-1] : best[-1] + count])


def _linked_together(rooms: list[DeviceRoom]) -> list[DeviceRoom]:
    """Return the devices with those that are linked directly beside each other, else in the order of their indexes."""
    ordered: list[DeviceRoom] = []
    left = list(rooms)
    while left:
        island = [left.pop(0)]
        for room in island:  # grows meanwhile
            near = [other for other in left if room.info.links.get(other.uuid) is DeviceLink.DIRECT]
            left = [other for other in left if other not in near]
            island += near
        ordered += sorted(island, key=lambda room: room.index)
    return ordered


def _unlinked(rooms: Sequence[DeviceRoom]) -> int:
    pairs = itertools.combinations(rooms, 2)
    return sum(one.info.links.get(other.uuid) is not DeviceLink.DIRECT for one, other in pairs)


def _why_not(shape: Shape, index: int, candidate: Candidate) -> Miss:
    """Name the first question that leaves too few devices."""
    option = shape.options[index]
    count = option.resources.device_count
    reasons = [device_miss(shape, option, room) for room in candidate.devices]
    left = len(reasons)
    asked = (
        (_R.NOT_CHOSEN, shape.device_uuids),
        (_R.DEVICE_VENDOR, option.vendors),
        (_R.DEVICE_MODEL, option.models),
    )
    for reason, is_asked in asked:
        left -= reasons.count(reason)
        if left == 0 and is_asked:
            return Miss(reason, index)
    if left < count:
        return Miss(_R.DEVICES, index)
    for reason in (_R.DEVICE_HEALTH, _R.DEVICES):
        left -= reasons.count(reason)
        if left < count:
            return Miss(reason, index)
    free = sorted(
        (
            room.free_bytes
            for room, reason in zip(candidate.devices, reasons, strict=True)
            if reason in (None, _R.MEMORY)
        ),
        reverse=True,
    )
    return Miss(_R.MEMORY, index, option.resources.memory_bytes - free[count - 1])

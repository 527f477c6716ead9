"""Why no node will do, in words a person can act on: for each node and device, and in one sentence over all of them."""

import functools
import heapq
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from roundhouse_common.contracts.catalog import AntiAffinity
from roundhouse_scheduler.domain.placement.candidates import Candidate, DeviceRoom
from roundhouse_scheduler.domain.placement.demand import Demand, Option, Shape
from roundhouse_scheduler.domain.placement.devices import Miss, device_miss
from roundhouse_scheduler.domain.placement.filters import Fit, judge_option
from roundhouse_scheduler.domain.records import NodeDuty, Rejection, RejectionReason

__all__ = ["Infeasible", "explain"]

_R = RejectionReason
_FEW_NODES = 3
_MOST_ROWS = 60
_GIB = 1024**3
_MIB = 1024**2

_NEARNESS = {
    reason: number
    for number, reason in enumerate(
        (_R.REFUSED_BY_NODE, _R.MEMORY, _R.CPU, _R.ANTI_AFFINITY, _R.GANG, _R.DEVICES, _R.DEVICE_HEALTH,
         _R.NODE_CORDONED, _R.NODE_NOT_APPROVED, _R.NODE_SHUTTING_DOWN, _R.NODE_NOT_READY, _R.NOT_CHOSEN,
         _R.LABELS, _R.ZONE, _R.REGION, _R.DEVICE_MODEL, _R.DEVICE_VENDOR, _R.ENGINE_MISSING)
    )
}  # fmt: skip
"""Which misses are nearest to a fit."""


@dataclass(frozen=True, kw_only=True)
class Infeasible:
    """No node can take it now."""

    detail: str
    """One sentence over all nodes."""
    rejections: tuple[Rejection, ...]
    """The nearest misses first; each node's is followed by those of its devices."""

    @functools.cached_property
    def node_ids(self) -> frozenset[str]:
        """The nodes that are spoken of one by one."""
        return frozenset(row.node_id for row in self.rejections)


def explain(
    demand: Demand,
    misses: Mapping[str, Miss],
    candidates: Mapping[str, Candidate],
    *,
    most: int | None = None,
    needed: int = 1,
) -> Infeasible:
    """Return why the nodes will not do; `most` bounds of how many nodes it is told one by one, `needed` is how many
    nodes must do together."""
    if not misses:
        return Infeasible(detail="there is no node", rejections=())

    def key(node_id: str) -> tuple[int, int, str, str]:
        miss = misses[node_id]
        return _NEARNESS[miss.reason], miss.lacks_bytes, candidates[node_id].node.inventory.hostname, node_id

    shown = sorted(misses, key=key) if most is None else heapq.nsmallest(most, misses, key=key)
    rows: list[Rejection] = []
    for number, node_id in enumerate(shown):
        mine = _rejections(demand, candidates[node_id], misses[node_id])
        room = len(mine) if most is None else max(1, _MOST_ROWS - len(rows) - (len(shown) - number - 1))
        rows += mine[:room]
    detail = _sentence(demand, misses, candidates, rows)
    if needed > 1:
        fit = sum(miss.reason is _R.GANG for miss in misses.values())
        detail = f"needs {needed} nodes that are alike, {fit} would do for one member; {detail}"
    return Infeasible(detail=detail, rejections=tuple(rows))


def size(amount_bytes: int) -> str:
    """Return an amount of memory as people say it; never rounded down to nothing."""
    if amount_bytes >= _GIB:
        return f"{amount_bytes / _GIB:.1f} GiB"
    return f"{math.ceil(max(0, amount_bytes) / _MIB)} MiB"


def _sentence(
    demand: Demand, misses: Mapping[str, Miss], candidates: Mapping[str, Candidate], rows: list[Rejection]
) -> str:
    if len(misses) <= _FEW_NODES:
        nodes = [row for row in rows if not row.device_uuid]
        return "; ".join(f"{candidates[row.node_id].node.inventory.hostname}: {row.detail}" for row in nodes)
    counts: Counter[tuple[str, str]] = Counter()
    for node_id, miss in misses.items():
        counts[_phrase(demand.shape, candidates[node_id], miss)] += 1
    short = [(miss.lacks_bytes, node_id) for node_id, miss in misses.items() if miss.reason is _R.MEMORY]
    near = ""
    if short:
        lacks, node_id = min(short)
        near = f" (nearest: {candidates[node_id].node.inventory.hostname} lacks {size(lacks)})"
    parts = [
        f"{count} {one if count == 1 else many}{near if one == _PHRASES[_R.MEMORY][0] else ''}"
        for (one, many), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    return f"0 of {len(misses)} nodes can take it: {', '.join(parts)}"


_PHRASES: Mapping[RejectionReason, tuple[str, str]] = {
    _R.REFUSED_BY_NODE: ("refused it lately", "refused it lately"),
    _R.ENGINE_MISSING: ("lacks the engine {engine}", "lack the engine {engine}"),
    _R.NOT_CHOSEN: ("is not among those chosen", "are not among those chosen"),
    _R.REGION: ("is not in region {region}", "are not in region {region}"),
    _R.ZONE: ("is not in zone {zone}", "are not in zone {zone}"),
    _R.LABELS: ("lacks the labels {labels}", "lack the labels {labels}"),
    _R.NODE_NOT_APPROVED: ("waits for approval", "wait for approval"),
    _R.NODE_SHUTTING_DOWN: ("is shutting down", "are shutting down"),
    _R.NODE_NOT_READY: ("is silent", "are silent"),
    _R.DEVICE_VENDOR: ("has no {devices}", "have no {devices}"),
    _R.DEVICE_MODEL: ("has no {devices}", "have no {devices}"),
    _R.DEVICE_HEALTH: ("has too few devices in use", "have too few devices in use"),
    _R.DEVICES: ("has too few free devices", "have too few free devices"),
    _R.MEMORY: ("has too little memory", "have too little memory"),
    _R.CPU: ("has too few cores left", "have too few cores left"),
    _R.ANTI_AFFINITY: ("is too near to another replica of it", "are too near to another replica of it"),
    _R.GANG: ("would do for one member alone", "would do for one member alone"),
}

_DUTIES: Mapping[NodeDuty, tuple[str, str]] = {
    NodeDuty.CORDONED: ("is cordoned", "are cordoned"),
    NodeDuty.DRAINING: ("is being drained", "are being drained"),
    NodeDuty.MAINTENANCE: ("is in maintenance", "are in maintenance"),
}


def _phrase(shape: Shape, candidate: Candidate, miss: Miss) -> tuple[str, str]:
    if miss.reason is _R.NODE_CORDONED:
        return _DUTIES[candidate.node.duty]
    one, many = _PHRASES[miss.reason]
    if "{" not in one:
        return one, many
    words = {
        "engine": _engine(shape),
        "region": shape.placement.region,
        "zone": shape.placement.zone,
        "labels": _labels(shape.placement.node_labels),
        "devices": shape.options[miss.option].device_words,
    }
    return one.format(**words), many.format(**words)


def _rejections(demand: Demand, candidate: Candidate, miss: Miss) -> list[Rejection]:
    """The node's own, then those of the devices that will not do."""
    shape, option = demand.shape, demand.shape.options[miss.option]
    rows = [
        Rejection(
            node_id=candidate.node_id,
            reason=miss.reason,
            detail=_node_words(demand, candidate, miss),
            is_beyond=_is_beyond(option, candidate, miss.reason),
        )
    ]
    if miss.reason in _BY_DEVICE and option.resources.device_count > 0:
        for room in candidate.devices:
            reason = device_miss(shape, option, room)
            if reason is not None:
                detail = _device_words(option, room, reason)
                rows.append(Rejection(node_id=candidate.node_id, device_uuid=room.uuid, reason=reason, detail=detail))
    return rows


def _is_beyond(option: Option, candidate: Candidate, reason: RejectionReason) -> bool:
    """Whether it would not fit if nothing else ran there either, as far as sizes tell."""
    needs, inventory = option.resources, candidate.node.inventory
    match reason:
        case _R.MEMORY if needs.device_count > 0:
            large = [one for one in inventory.devices if one.memory_total_bytes >= needs.memory_bytes]
            return len(large) < needs.device_count
        case _R.MEMORY:
            return needs.memory_bytes > inventory.memory_total_bytes
        case _R.DEVICES:
            return needs.device_count > len(inventory.devices)
        case _R.CPU:
            return needs.cpu_millis > inventory.cpu_cores * 1000
        case _:
            return False


_BY_DEVICE = frozenset({_R.NOT_CHOSEN, _R.DEVICE_VENDOR, _R.DEVICE_MODEL, _R.DEVICE_HEALTH, _R.DEVICES, _R.MEMORY})


def _node_words(demand: Demand, candidate: Candidate, miss: Miss) -> str:
    shape, placement, node = demand.shape, demand.shape.placement, candidate.node
    match miss.reason:
        case _R.REFUSED_BY_NODE:
            return f"the node refused it: {demand.refusals.get(node.node_id, '')}"
        case _R.ENGINE_MISSING:
            return _lacks_engine(shape, candidate)
        case _R.NOT_CHOSEN if shape.node_ids and node.node_id not in shape.node_ids:
            return f"only {', '.join(sorted(shape.node_ids))} may be used"
        case _R.REGION:
            return f"needs region {placement.region}, the node is in {candidate.region or 'none'}"
        case _R.ZONE:
            return f"needs zone {placement.zone}, the node is in {candidate.zone or 'none'}"
        case _R.LABELS:
            lacking = {k: v for k, v in placement.node_labels.items() if candidate.labels.get(k) != v}
            return f"the node lacks {_labels(lacking)}"
        case _R.NODE_CORDONED:
            said = f": {node.duty_reason}" if node.duty_reason else ""
            return f"the node {_DUTIES[node.duty][0]}{said}"
        case _R.NODE_NOT_APPROVED | _R.NODE_SHUTTING_DOWN | _R.NODE_NOT_READY:
            return f"the node {_PHRASES[miss.reason][0]}"
        case _R.ANTI_AFFINITY:
            return _too_near(shape, candidate)
        case _R.GANG:
            return f"the node {_PHRASES[miss.reason][0]}, and there are not enough like it"
        case _:
            return _by_options(shape, candidate)


def _lacks_engine(shape: Shape, candidate: Candidate) -> str:
    """What the node has instead, and what to do about it."""
    versions = candidate.engine_versions.get(shape.engine, ())
    if shape.engine not in candidate.engines:
        has = f"it has {', '.join(sorted(candidate.engines)) or 'none'}"
    else:
        has = f"it has {', '.join(versions)}" if versions else "the one it has does not state its version"
    lacks = f"engine {_engine(shape)} is not installed here ({has})"
    if not candidate.installable:
        return f"{lacks}; this node does not install engines"
    if shape.engine not in candidate.installable:
        return f"{lacks}; this node can install {', '.join(sorted(candidate.installable))} only"
    version = f" --version {shape.engine_version}" if shape.engine_version else ""
    host = candidate.node.inventory.hostname
    return f"{lacks}; install it: roundhouse engines install {shape.engine}{version} --node {host}"


def _engine(shape: Shape) -> str:
    return f"{shape.engine} {shape.engine_version}".strip()


def _too_near(shape: Shape, candidate: Candidate) -> str:
    if shape.placement.zone_anti_affinity is AntiAffinity.REQUIRED and not candidate.zone:
        return "replicas must be in different zones, and the node does not say in which zone it is: set its zone"
    if shape.placement.node_anti_affinity is AntiAffinity.REQUIRED:
        return "another replica of it is on this node or in its zone, and they must be apart"
    return f"another replica of it is in zone {candidate.zone}, and they must be in different zones"


def _by_options(shape: Shape, candidate: Candidate) -> str:
    """What each way to run lacks here."""
    parts: list[str] = []
    for index, option in enumerate(shape.options):
        found = judge_option(shape, index, candidate)
        if not isinstance(found, Fit):
            words = _option_words(shape, option, candidate, found)
            parts.append(f"as {option.name}: {words}" if option.name else words)
    errors = "; ".join(candidate.node.inventory.device_errors)
    if errors and any(option.resources.device_count > 0 for option in shape.options):
        parts.append(f"could not look for all devices: {errors}")
    return "; ".join(parts)


def _option_words(shape: Shape, option: Option, candidate: Candidate, miss: Miss) -> str:
    needs, node = option.resources, candidate.node
    has = len(candidate.devices)
    match miss.reason:
        case _R.NOT_CHOSEN:
            return "none of the chosen devices is on the node"
        case _R.DEVICE_VENDOR | _R.DEVICE_MODEL:
            models = sorted({room.info.model for room in candidate.devices})
            return f"needs {option.device_words}, the node has {', '.join(models) or 'none'}"
        case _R.CPU:
            left = max(0, candidate.free_cpu_millis)
            return f"needs {needs.cpu_millis} thousandths of a core reserved, {left} are left"
        case _R.MEMORY if needs.device_count == 0:
            free = size(candidate.free_memory_bytes)
            return f"needs {size(needs.memory_bytes)}, {free} free of {size(node.inventory.memory_total_bytes)}"
    fitting = sum(device_miss(shape, option, room) is None for room in candidate.devices)
    each = f"{needs.device_count} {'whole ' if needs.is_exclusive else ''}{option.device_words}"
    lacks = f"; {size(miss.lacks_bytes)} are lacking" if miss.lacks_bytes else ""
    kinds = "; they are not of one model" if fitting >= needs.device_count else ""
    return f"needs {each} with {size(needs.memory_bytes)} free each, {fitting} of {has} fit{lacks}{kinds}"


def _device_words(option: Option, room: DeviceRoom, reason: RejectionReason) -> str:
    match reason:
        case _R.NOT_CHOSEN:
            return "it is not among the chosen devices"
        case _R.DEVICE_VENDOR:
            return f"needs {' '.join(option.vendors)}, it is {room.info.vendor.value}"
        case _R.DEVICE_MODEL:
            return f"needs a model like {' and '.join(option.models)}, it is {room.info.model}"
        case _R.DEVICE_HEALTH:
            return room.barred
        case _R.DEVICES:
            return "a replica has it whole" if room.is_whole else "others share it, and it is needed whole"
        case _:
            free, total = size(room.free_bytes), size(room.info.memory_total_bytes)
            return f"needs {size(option.resources.memory_bytes)}, {free} free of {total}"


def _labels(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))

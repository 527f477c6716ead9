"""The filters: each says why a node cannot take a replica, or None. `FILTERS` is the whole list, in order."""

from collections.abc import Callable

from roundhouse_scheduler.domain.placement.candidates import Candidate, Demand
from roundhouse_scheduler.domain.records import Rejection, RejectionReason

__all__ = ["FILTERS", "Filter"]

Filter = Callable[[Demand, Candidate], Rejection | None]

_GIB = 1024**3


def _no(candidate: Candidate, reason: RejectionReason, detail: str) -> Rejection:
    return Rejection(node_id=candidate.node.node_id, reason=reason, detail=detail)


def _gib(amount_bytes: int) -> str:
    return f"{amount_bytes / _GIB:.1f} GiB"


def node_is_heard(demand: Demand, candidate: Candidate) -> Rejection | None:
    if candidate.is_late:
        return _no(candidate, RejectionReason.NODE_NOT_READY, "the node is silent")
    return None


def node_stays(demand: Demand, candidate: Candidate) -> Rejection | None:
    if candidate.node.is_shutting_down:
        return _no(candidate, RejectionReason.NODE_SHUTTING_DOWN, "the node is shutting down")
    return None


def node_has_not_refused(demand: Demand, candidate: Candidate) -> Rejection | None:
    for refusal in demand.replica.refusals:
        if refusal.node_id == candidate.node.node_id and refusal.until > demand.now:
            return _no(candidate, RejectionReason.REFUSED_BY_NODE, f"the node refused it: {refusal.detail}")
    return None


def engine_is_there(demand: Demand, candidate: Candidate) -> Rejection | None:
    engine = demand.version.engine.value
    if engine in candidate.node.inventory.engines:
        return None
    has = ", ".join(candidate.node.inventory.engines) or "none"
    return _no(candidate, RejectionReason.ENGINE_MISSING, f"needs the engine {engine}, the node has {has}")


def region_matches(demand: Demand, candidate: Candidate) -> Rejection | None:
    wanted, has = demand.version.placement.region, candidate.node.inventory.region
    if wanted in ("", has):
        return None
    return _no(candidate, RejectionReason.REGION, f"needs region {wanted}, the node is in {has or 'none'}")


def labels_match(demand: Demand, candidate: Candidate) -> Rejection | None:
    labels = candidate.node.inventory.labels
    lacking = [f"{k}={v}" for k, v in sorted(demand.version.placement.node_labels.items()) if labels.get(k) != v]
    if not lacking:
        return None
    return _no(candidate, RejectionReason.LABELS, f"the node lacks {', '.join(lacking)}")


def vendor_is_there(demand: Demand, candidate: Candidate) -> Rejection | None:
    vendor = demand.version.placement.device_vendor
    if not vendor or any(device.vendor.value == vendor for device in candidate.node.inventory.devices):
        return None
    return _no(candidate, RejectionReason.DEVICE_VENDOR, f"needs {vendor} devices, the node has none")


def devices_fit(demand: Demand, candidate: Candidate) -> Rejection | None:
    resources = demand.version.resources
    if resources.device_count == 0:
        return None
    fitting = len(candidate.fitting_devices(demand))
    if fitting >= resources.device_count:
        return None
    errors = "; ".join(candidate.node.inventory.device_errors)
    detail = (
        f"needs {resources.device_count} devices with {_gib(resources.memory_bytes)} free each, "
        f"{fitting} of {len(candidate.node.inventory.devices)} fit"
    )
    return _no(
        candidate, RejectionReason.DEVICES, f"{detail}; could not look everywhere: {errors}" if errors else detail
    )


def memory_fits(demand: Demand, candidate: Candidate) -> Rejection | None:
    resources = demand.version.resources
    if resources.device_count > 0 or candidate.free_memory_bytes >= resources.memory_bytes:
        return None
    detail = (
        f"needs {_gib(resources.memory_bytes)}, {_gib(max(0, candidate.free_memory_bytes))} free of "
        f"{_gib(candidate.node.inventory.memory_total_bytes)}"
    )
    return _no(candidate, RejectionReason.MEMORY, detail)


def cpu_fits(demand: Demand, candidate: Candidate) -> Rejection | None:
    need = demand.version.resources.cpu_millis
    if candidate.free_cpu_millis >= need:
        return None
    detail = f"needs {need} thousandths of a core reserved, {max(0, candidate.free_cpu_millis)} are left"
    return _no(candidate, RejectionReason.CPU, detail)


FILTERS: tuple[Filter, ...] = (
    node_is_heard,
    node_stays,
    node_has_not_refused,
    engine_is_there,
    region_matches,
    labels_match,
    vendor_is_there,
    devices_fit,
    memory_fits,
    cpu_fits,
)

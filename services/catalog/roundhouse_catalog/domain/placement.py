"""Which nodes and devices a version may take: what is checked before any node is looked at."""

import re

from roundhouse_catalog.domain import shapes
from roundhouse_catalog.domain.drafts import PlacementDraft, ResourcesDraft
from roundhouse_catalog.domain.findings import Findings, quoted
from roundhouse_common.contracts.catalog import AntiAffinity, Placement, PlacementStrategy
from roundhouse_common.contracts.node import DeviceVendor

__all__ = [
    "ANTI_AFFINITIES",
    "STRATEGIES",
    "check_device_class",
    "check_placement",
    "check_resources",
    "placement_draft",
    "placement_of",
]

STRATEGIES = {one.value: one for one in PlacementStrategy if one is not PlacementStrategy.UNKNOWN}
ANTI_AFFINITIES = {one.value: one for one in AntiAffinity if one is not AntiAffinity.UNKNOWN}
_VENDORS = tuple(vendor.value for vendor in DeviceVendor if vendor is not DeviceVendor.UNKNOWN)
_MOST_MEMORY_BYTES = 2**50
_MOST_CPU_MILLIS = 4_096_000
_MOST_DEVICES = 1024
_MOST_NODES = 64
_MOST_NAMED = 1024
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
_DEVICE_MODEL = re.compile(r"[A-Za-z0-9*][A-Za-z0-9 *().+/_-]{0,127}")


def placement_of(draft: PlacementDraft) -> Placement:
    """Return the placement of a draft that `check_placement` found no fault in."""
    return Placement(
        node_labels=draft.node_labels,
        region=draft.region,
        zone=draft.zone,
        device_vendor=draft.device_vendor,
        device_model=draft.device_model,
        device_uuids=draft.device_uuids,
        node_ids=draft.node_ids,
        strategy=PlacementStrategy(draft.strategy),
        node_anti_affinity=AntiAffinity(draft.node_anti_affinity),
        zone_anti_affinity=AntiAffinity(draft.zone_anti_affinity),
    )


def placement_draft(placement: Placement) -> PlacementDraft:
    """Return the draft that gives this placement."""
    return PlacementDraft(
        node_labels=placement.node_labels,
        region=placement.region,
        zone=placement.zone,
        device_vendor=placement.device_vendor,
        device_model=placement.device_model,
        device_uuids=placement.device_uuids,
        node_ids=placement.node_ids,
        strategy=placement.strategy.value,
        node_anti_affinity=placement.node_anti_affinity.value,
        zone_anti_affinity=placement.zone_anti_affinity.value,
    )


def check_resources(path: str, resources: ResourcesDraft, findings: Findings) -> None:
    """Record every number that is out of its range; whether the memory is known is another question."""
    if resources.memory_bytes is not None:
        fault = shapes.range_fault(resources.memory_bytes, 1, _MOST_MEMORY_BYTES, unit="bytes")
        findings.add(f"{path}.memory_bytes", fault)
    findings.add(f"{path}.cpu_millis", shapes.range_fault(resources.cpu_millis, 0, _MOST_CPU_MILLIS))
    findings.add(f"{path}.device_count", shapes.range_fault(resources.device_count, 0, _MOST_DEVICES))
    findings.add(f"{path}.node_count", shapes.range_fault(resources.node_count, 1, _MOST_NODES))
    if resources.is_exclusive and resources.device_count == 0:
        findings.add(f"{path}.is_exclusive", "true found, but device_count is 0: there is no device to have for itself")


def check_device_class(path: str, vendor: str, model: str, *, has_devices: bool, findings: Findings) -> None:
    """Record what is wrong with a device class, and that one is asked for where no device is."""
    if vendor and vendor not in _VENDORS:
        findings.add(
            f"{path}.device_vendor", f'{quoted(vendor)} found; allowed are {", ".join(_VENDORS)}, or "" for any'
        )
    elif vendor and not has_devices:
        findings.add(f"{path}.device_vendor", _without_devices(vendor))
    if model and not _DEVICE_MODEL.fullmatch(model):
        findings.add(
            f"{path}.device_model", f"{quoted(model)} found; state a device's name, with * for any part, e.g. *H100*"
        )
    elif model and not has_devices:
        findings.add(f"{path}.device_model", _without_devices(model))


def check_placement(draft: PlacementDraft, resources: ResourcesDraft, *, has_devices: bool, findings: Findings) -> None:
    """Record every fault. `has_devices`: whether the version takes devices in any of its alternatives."""
    findings.add("placement.region", shapes.region_fault(draft.region))
    findings.add("placement.zone", shapes.region_fault(draft.zone, what="zone"))
    for label, fault in shapes.label_faults(draft.node_labels):
        findings.add(f"placement.node_labels.{label}".removesuffix("."), fault)
    check_device_class("placement", draft.device_vendor, draft.device_model, has_devices=has_devices, findings=findings)
    findings.add("placement.strategy", shapes.choice_fault(draft.strategy, STRATEGIES))
    findings.add("placement.node_anti_affinity", shapes.choice_fault(draft.node_anti_affinity, ANTI_AFFINITIES))
    findings.add("placement.zone_anti_affinity", shapes.choice_fault(draft.zone_anti_affinity, ANTI_AFFINITIES))
    _check_named("device_uuids", draft.device_uuids, findings)
    _check_named("node_ids", draft.node_ids, findings)
    wanted = resources.device_count * resources.node_count
    if draft.device_uuids and not has_devices:
        findings.add("placement.device_uuids", _without_devices(draft.device_uuids[0]))
    elif draft.device_uuids and len(draft.device_uuids) < wanted:
        findings.add(
            "placement.device_uuids", f"{len(draft.device_uuids)} devices found; one replica takes {wanted}: state more"
        )
    if draft.node_ids and len(draft.node_ids) < resources.node_count:
        findings.add(
            "placement.node_ids",
            f"{len(draft.node_ids)} nodes found; one replica spans {resources.node_count}: state more",
        )


def _check_named(name: str, ids: tuple[str, ...], findings: Findings) -> None:
    if len(ids) > _MOST_NAMED:
        findings.add(f"placement.{name}", f"{len(ids)} found; {_MOST_NAMED} are allowed")
        return
    for index, one in enumerate(ids):
        if not _IDENTIFIER.fullmatch(one):
            findings.add(
                f"placement.{name}.{index}", f"{quoted(one)} found; 1 to 128 letters, digits and ._:/- are allowed"
            )
        elif one in ids[:index]:
            findings.add(f"placement.{name}.{index}", f"{quoted(one)} found twice")


def _without_devices(what: str) -> str:
    return f"{quoted(what)} found, but resources.device_count is 0: state how many devices a replica takes"

"""Huawei Ascend, through npu-smi."""

from collections.abc import Mapping, Sequence

from roundhouse_common.contracts.node import DeviceHealth, DeviceVendor
from roundhouse_node_agent.devices.parsers.card import Card
from roundhouse_node_agent.devices.parsers.npu_smi import Chip, MappedChip, parse_info, parse_mapping
from roundhouse_node_agent.devices.pci import PciCard
from roundhouse_node_agent.devices.tools import Ask, Share, Tool

__all__ = ["ASCEND"]

_DRIVER = "/usr/local/Ascend/driver"


def _inventory(ask: Ask) -> Sequence[Card]:
    table = parse_info(ask("info"))
    indexes = _indexes(table.chips, parse_mapping(ask("info", "-m", is_optional=True)))
    return [_card(chip, indexes, table.version) for chip in table.chips]


def _usage(ask: Ask) -> Sequence[Card]:
    """The same table: nothing cheaper tells all chips at once."""
    return _inventory(ask)


def _shares(ask: Ask) -> Sequence[Share]:
    table = parse_info(ask("info"))
    indexes = _indexes(table.chips, parse_mapping(ask("info", "-m", is_optional=True)))
    return [
        Share(indexes[(held.npu, held.chip)], held.pid, held.memory_bytes)
        for held in table.processes
        if (held.npu, held.chip) in indexes
    ]


def _indexes(chips: Sequence[Chip], mapping: Sequence[MappedChip]) -> Mapping[tuple[int, int], int]:
    """Return the logical ids, which engines count by: the mapping's, or the table's own, or the order of the chips.

    Never the numbers of NPUs, which have gaps, and never a mix of two.
    """
    keys = [(chip.npu, chip.chip) for chip in chips]
    by_mapping = {(one.npu, one.chip): one.logical for one in mapping if one.logical is not None}
    by_table = {(chip.npu, chip.chip): chip.logical for chip in chips if chip.logical is not None}
    for told in (by_mapping, by_table):
        if all(key in told for key in keys) and len({told[key] for key in keys}) == len(keys):
            return {key: told[key] for key in keys}
    return {key: place for place, key in enumerate(keys)}


def _card(chip: Chip, indexes: Mapping[tuple[int, int], int], version: str) -> Card:
    is_well = chip.health is DeviceHealth.OK
    return Card(
        index=indexes[(chip.npu, chip.chip)],
        model=chip.name,
        pci_address=chip.pci_address or None,
        place=f"{chip.pci_address or f'npu{chip.npu}'}-{chip.chip}",
        physical_index=chip.npu if chip.physical is None else chip.physical,
        driver=version or None,
        memory_total_bytes=chip.memory_total_bytes,
        memory_used_bytes=chip.memory_used_bytes,
        utilization=chip.utilization,
        temperature_c=chip.temperature_c,
        power_w=chip.power_w,
        health=chip.health,
        health_detail="" if is_well else "npu-smi reports an alarm; `npu-smi info -t health` says which",
    )


def _is_npu(card: PciCard) -> bool:
    """Kunpeng processors show their engines for compression as accelerators of the same vendor (a250 to a25f)."""
    return not card.device_id.startswith("0xa25")


ASCEND = Tool(
    vendor=DeviceVendor.ASCEND,
    title="Ascend",
    pci_vendor="19e5",
    pci_classes=("0x12",),  # the management controller's display has the same vendor
    is_own=_is_npu,
    names=("npu-smi",),
    directories=("/usr/local/bin", "/usr/local/sbin", f"{_DRIVER}/tools"),
    libraries=("/usr/local/dcmi", f"{_DRIVER}/lib64/driver", f"{_DRIVER}/lib64/common"),
    inventory=_inventory,
    usage=_usage,
    shares=_shares,
)

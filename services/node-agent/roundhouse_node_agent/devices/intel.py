"""Intel Data Center GPUs and Arc, through xpu-smi."""

from collections.abc import Sequence

from roundhouse_common.contracts.node import DeviceVendor
from roundhouse_node_agent.devices.parsers.card import Card, merged
from roundhouse_node_agent.devices.parsers.xpu_smi import parse_discovery, parse_discovery_table, parse_stats
from roundhouse_node_agent.devices.pci import PciCard
from roundhouse_node_agent.devices.tools import Ask, Tool

__all__ = ["INTEL"]


def _inventory(ask: Ask) -> Sequence[Card]:
    """Memory is told of one device at a time only."""
    devices = parse_discovery(ask("discovery", "-j"))
    details = [parse_discovery_table(ask("discovery", "-d", str(device.index))) for device in devices]
    return merged(devices, *details, *_statistics(ask, devices))


def _usage(ask: Ask) -> Sequence[Card]:
    return merged(*_statistics(ask, parse_discovery(ask("discovery", "-j"))))


def _statistics(ask: Ask, devices: Sequence[Card]) -> list[Sequence[Card]]:
    return [parse_stats(ask("stats", "-d", str(device.index))) for device in devices]


def _is_plugged_in(card: PciCard) -> bool:
    """A processor's own graphics sit on the root bus."""
    return not card.address.startswith("0000:00:")


INTEL = Tool(
    vendor=DeviceVendor.INTEL,
    title="Intel",
    pci_vendor="8086",
    pci_classes=("0x03",),  # co-processors of Intel's are for compression and encryption
    is_own=_is_plugged_in,
    names=("xpu-smi",),
    inventory=_inventory,
    usage=_usage,
)

"""AMD Instinct and Radeon, through amd-smi, or rocm-smi where that is older than it."""

from collections.abc import Sequence

from roundhouse_common.contracts.node import DeviceVendor
from roundhouse_node_agent.devices.parsers.amd_smi import parse_amd_smi
from roundhouse_node_agent.devices.parsers.card import Card, merged
from roundhouse_node_agent.devices.parsers.rocm_smi import parse_cards
from roundhouse_node_agent.devices.pci import PciCard
from roundhouse_node_agent.devices.tools import Ask, Tool

__all__ = ["AMD"]

_LEAST_MEMORY = 4 << 30
"""Of a processor's own graphics the firmware sets less aside: they are not reported."""
_ROCM_INVENTORY = ("--showproductname", "--showuniqueid", "--showbus", "--showmeminfo", "vram", "--json")
_ROCM_USAGE = ("--showuse", "--showmeminfo", "vram", "--showtemp", "--showpower", "--json")


def _inventory(ask: Ask) -> Sequence[Card]:
    listed = parse_amd_smi(ask("list", "--json", name="amd-smi", is_optional=True))
    if not listed:
        return _large(parse_cards(ask(*_ROCM_INVENTORY, name="rocm-smi")))
    static = parse_amd_smi(ask("static", "--asic", "--vram", "--bus", "--driver", "--json", name="amd-smi"))
    return _large(merged(listed, static, parse_amd_smi(ask("metric", "--mem-usage", "--json", name="amd-smi"))))


def _usage(ask: Ask) -> Sequence[Card]:
    cards = parse_amd_smi(ask("metric", "--usage", "--mem-usage", "--temperature", "--power", "--json", name="amd-smi"))
    return cards or parse_cards(ask(*_ROCM_USAGE, name="rocm-smi"))


def _large(cards: Sequence[Card]) -> Sequence[Card]:
    return [card for card in cards if card.memory_total_bytes is None or card.memory_total_bytes >= _LEAST_MEMORY]


def _is_large(card: PciCard) -> bool:
    return card.video_memory_bytes is None or card.video_memory_bytes >= _LEAST_MEMORY


AMD = Tool(
    vendor=DeviceVendor.AMD,
    title="AMD",
    pci_vendor="1002",
    is_own=_is_large,
    names=("amd-smi", "rocm-smi"),
    directories=("/opt/rocm/bin",),
    inventory=_inventory,
    usage=_usage,
)

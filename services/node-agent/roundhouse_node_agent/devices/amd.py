"""AMD Instinct and Radeon, through amd-smi, or rocm-smi where that is older than it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from roundhouse_common.contracts.node import DeviceVendor
from roundhouse_node_agent.devices.parsers.amd_smi import parse_amd_smi, parse_hip_ids
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
    listed, hip_ids = _list(ask)
    if not listed:
        return _large(parse_cards(ask(*_ROCM_INVENTORY, name="rocm-smi")))
    static = parse_amd_smi(ask("static", "--asic", "--vram", "--bus", "--driver", "--json", name="amd-smi"))
    memory = parse_amd_smi(ask("metric", "--mem-usage", "--json", name="amd-smi"))
    return _large(_as_engines_count(merged(listed, static, memory), hip_ids))


def _usage(ask: Ask) -> Sequence[Card]:
    cards = parse_amd_smi(ask("metric", "--usage", "--mem-usage", "--temperature", "--power", "--json", name="amd-smi"))
    if not cards:
        return parse_cards(ask(*_ROCM_USAGE, name="rocm-smi"))
    listed, hip_ids = _list(ask)
    return _as_engines_count(cards, hip_ids) if listed else ()  # rather no figures than another card's


def _list(ask: Ask) -> tuple[Sequence[Card], Mapping[int, int]]:
    """Return the cards, and the numbers that engines count them by; older tools do not know the option for these."""
    text = ask("list", "-e", "--json", name="amd-smi", is_optional=True)
    cards = parse_amd_smi(text)
    if cards:
        return cards, parse_hip_ids(text)
    return parse_amd_smi(ask("list", "--json", name="amd-smi", is_optional=True)), {}


def _as_engines_count(cards: Sequence[Card], hip_ids: Mapping[int, int]) -> Sequence[Card]:
    """Number cards by HIP, whose order differs from amd-smi's on some machines; as they are, where that is unknown."""
    if not all(card.index in hip_ids for card in cards) or len(set(hip_ids.values())) != len(hip_ids):
        return cards
    return [replace(card, index=hip_ids[card.index], physical_index=card.index) for card in cards]


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

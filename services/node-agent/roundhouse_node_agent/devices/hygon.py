"""Hygon DCU, through hy-smi."""

from collections.abc import Sequence

from roundhouse_common.contracts.node import DeviceVendor
from roundhouse_node_agent.devices.parsers.card import Card, merged
from roundhouse_node_agent.devices.parsers.rocm_smi import parse_cards, parse_healthcheck, parse_table
from roundhouse_node_agent.devices.tools import Ask, Tool

__all__ = ["HYGON"]


def _inventory(ask: Ask) -> Sequence[Card]:
    cards = parse_cards(ask("--showproductname", "--showmeminfo", "vram", "--json", is_optional=True))
    if not cards:
        return parse_table(ask())
    unique, health = (
        parse_cards(ask("--showuniqueid", "--json", is_optional=True)),
        parse_healthcheck(ask("--healthcheck", is_optional=True)),
    )
    known = {card.index for card in cards}
    return merged(cards, unique, [card for card in health if card.index in known])


def _usage(ask: Ask) -> Sequence[Card]:
    cards = parse_cards(ask("--showuse", "--showmeminfo", "vram", "--showtemp", "--showpower", "--json"))
    return cards or parse_table(ask())


HYGON = Tool(
    vendor=DeviceVendor.HYGON,
    title="Hygon",
    pci_vendor="1d94",
    names=("hy-smi", "rocm-smi"),
    directories=("/opt/hyhal/bin", "/usr/local/hyhal/bin", "/opt/dtk/bin"),
    libraries=("/opt/hyhal/lib", "/opt/dtk/lib"),
    inventory=_inventory,
    usage=_usage,
)

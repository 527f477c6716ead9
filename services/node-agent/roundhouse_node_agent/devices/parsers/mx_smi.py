"""MetaX's mx-smi: the table, `-L`, `--show-temperature` and `--count-ecc`."""

import re
from dataclasses import replace

from roundhouse_common.contracts.node import DeviceHealth
from roundhouse_node_agent.devices.parsers.card import Card
from roundhouse_node_agent.devices.parsers.figures import address_of, bytes_of, number_of, share_of, whole_of

__all__ = ["parse_ecc", "parse_list", "parse_table", "parse_temperatures"]

_GPU = re.compile(r"GPU#(\d+)\s+(\S+)\s+(\S+)\s*(.*)")


def parse_table(text: str) -> tuple[Card, ...]:
    """Return the cards of the table: two lines each, three cells a line."""
    driver = re.search(r"Kernel Mode Driver Version:\s*(\S+)", text)
    found: list[Card] = []
    above: Card | None = None
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) != 3 or not line.startswith("|"):
            above = None
            continue
        named = re.fullmatch(r"(\d+)\s+(\S.*)", cells[0])
        if named is not None and address_of(cells[1]):
            above = Card(
                index=int(named[1]),
                model=named[2],
                pci_address=address_of(cells[1]),
                utilization=share_of(cells[2]),
                driver=driver[1] if driver else None,
            )
        elif above is not None:
            found.append(_with_figures(above, cells))
            above = None
    return tuple(found)


def _with_figures(card: Card, cells: list[str]) -> Card:
    temperature, _, power = cells[0].partition(" ")
    used, _, total = cells[1].partition("/")
    health, detail = _health(cells[2])
    return replace(
        card,
        temperature_c=number_of(temperature),
        power_w=number_of(power),
        memory_used_bytes=bytes_of(used),
        memory_total_bytes=bytes_of(total) or None,
        health=health,
        health_detail=detail,
    )


def _health(state: str) -> tuple[DeviceHealth, str]:
    """Return a card's state; older tools tell none."""
    if not state or state.startswith("Available"):
        return DeviceHealth.OK, ""
    return DeviceHealth.FAILED, f"mx-smi says it is {state}"


def parse_list(text: str) -> tuple[Card, ...]:
    """Return the cards of `-L`; one that is not available has no uuid."""
    found = []
    for line in text.splitlines():
        told = _GPU.match(line.strip())
        if told is not None:
            uuid = re.search(r"\(UUID:\s*([^)\s]+)\)", told[4])
            health, detail = _health(re.sub(r"\(UUID:.*\)", "", told[4]).strip())
            found.append(
                Card(
                    index=int(told[1]),
                    uuid=uuid[1] if uuid else None,
                    model=told[2],
                    pci_address=address_of(told[3]) or None,
                    health=health,
                    health_detail=detail,
                )
            )
    return tuple(found)


def parse_temperatures(text: str) -> tuple[Card, ...]:
    """Return each chip's hottest spot."""
    cards = []
    for head, body in _blocks(text):
        spots = [number_of(one) for one in re.findall(r"hotspot\S*\s*:\s*(\S+)", body)]
        cards.append(replace(head, temperature_c=max((spot for spot in spots if spot is not None), default=None)))
    return tuple(cards)


def parse_ecc(text: str) -> tuple[Card, ...]:
    """Return each card's health by its pages retired for double-bit errors."""
    cards = []
    for head, body in _blocks(text):
        retired = re.search(r"Double Bit ECC\s*:\s*(\d+)", body)
        pages = (whole_of(retired[1]) or 0) if retired else 0
        if pages:
            words = f"{pages} of its memory pages were retired for uncorrectable errors"
            head = replace(head, health=DeviceHealth.DEGRADED, health_detail=words)
        cards.append(head)
    return tuple(cards)


def _blocks(text: str) -> list[tuple[Card, str]]:
    parts = re.split(r"^(?=GPU#\d+)", text, flags=re.MULTILINE)
    return [
        (Card(index=int(told[1]), model=told[2], pci_address=address_of(told[3]) or None), part)
        for part in parts
        if (told := _GPU.match(part)) is not None
    ]

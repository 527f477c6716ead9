"""Cambricon's cnmon: the table."""

import re

from roundhouse_node_agent.devices.parsers.card import Card
from roundhouse_node_agent.devices.parsers.figures import address_of, bytes_of, number_of, share_of

__all__ = ["parse_table"]

_FIRST = re.compile(r"(\d+)\s+\S+\s+(\S+)\s+\S+")
"""Card, virtual function, name, firmware."""
_SECOND = re.compile(r"\S+\s+(\S+)\s+(\S+)\s*W\s*/.*")
"""Fan, temperature, power of its cap."""


def parse_table(text: str) -> tuple[Card, ...]:
    """Return the cards: two lines each, three cells a line. A masked model or memory is unknown."""
    driver = re.search(r"Driver\s+(v\S+)", text)
    found: list[Card] = []
    above: list[str] | None = None
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) != 3 or not line.startswith("|"):
            above = None
        elif _FIRST.fullmatch(cells[0]) and address_of(cells[1]):
            above = cells
        elif above is not None:
            found.append(_card(above, cells, driver[1] if driver else None))
            above = None
    return tuple(found)


def _card(first: list[str], second: list[str], driver: str | None) -> Card:
    named = _FIRST.fullmatch(first[0])
    assert named is not None
    figures = _SECOND.fullmatch(second[0])
    used, _, total = second[1].partition("/")
    return Card(
        index=int(named[1]),
        model=None if "XX" in named[2] else named[2],
        pci_address=address_of(first[1]),
        driver=driver,
        utilization=share_of(first[2]),
        temperature_c=number_of(figures[1]) if figures else None,
        power_w=number_of(figures[2]) if figures else None,
        memory_used_bytes=bytes_of(used),
        memory_total_bytes=bytes_of(total) or None,
    )

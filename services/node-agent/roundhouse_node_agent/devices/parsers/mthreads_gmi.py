"""Moore Threads' mthreads-gmi: the table, three lines a card, without a bar at the left."""

import re
from dataclasses import replace

from roundhouse_node_agent.devices.parsers.card import Card
from roundhouse_node_agent.devices.parsers.figures import address_of, bytes_of, number_of, share_of

__all__ = ["parse_table"]

_MEMORY = re.compile(r"(\S+)\s+(\S+?)\(([^)]*)\)")


def parse_table(text: str) -> tuple[Card, ...]:
    """Return the cards. Used may be more than total where the IOMMU is off: both are returned as they are told."""
    driver = re.search(r"Driver Version:\s*(\S+)", text)
    found: list[Card] = []
    is_below = False
    for line in text.splitlines():
        if line.startswith("Processes"):
            break
        cells = [cell.strip() for cell in line.split("|")]
        named = re.fullmatch(r"(\d+)\s+(\S.*)", cells[0]) if len(cells) == 3 else None
        if named is not None and address_of(cells[1]):
            memory = _MEMORY.fullmatch(cells[2])
            found.append(
                Card(
                    index=int(named[1]),
                    model=named[2],
                    pci_address=address_of(cells[1]),
                    driver=driver[1] if driver else None,
                    utilization=share_of(cells[2].split(" ")[0]),
                    memory_used_bytes=bytes_of(memory[2]) if memory else None,
                    memory_total_bytes=(bytes_of(memory[3]) or None) if memory else None,
                )
            )
            is_below = True
        elif is_below and len(cells) == 3:
            found[-1] = replace(found[-1], temperature_c=number_of(cells[2].split(" ")[0]))
            is_below = False
    return tuple(found)

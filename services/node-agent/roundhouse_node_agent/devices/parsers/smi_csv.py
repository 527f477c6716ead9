"""The csv of nvidia-smi's `--query-gpu`, and of the tools made after it: ixsmi, ppu-smi, brsmi."""

import csv
import re
from collections.abc import Mapping, Sequence

from roundhouse_common.contracts.node import DeviceHealth
from roundhouse_node_agent.devices.parsers.card import Card
from roundhouse_node_agent.devices.parsers.figures import address_of, bytes_of, number_of, share_of, whole_of

__all__ = ["parse_compute_apps", "parse_query"]

_UNKNOWN = re.compile(r"(\[.*\]|n/?a|-|unknown)", re.IGNORECASE)


def parse_query(text: str, columns: Sequence[str]) -> tuple[Card, ...]:
    """Return the devices of an answer that has these columns, with or without header and units.

    A row without an index, or with too few cells, is left out.
    """
    rows = (dict(zip(columns, row, strict=False)) for row in _rows(text) if len(row) >= len(columns))
    return tuple(card for row in rows if (card := _card(row)) is not None)


def parse_compute_apps(text: str) -> tuple[tuple[str, int], ...]:
    """Return device uuid and pid of an answer with these two columns."""
    pairs = ((row[0], whole_of(row[1])) for row in _rows(text) if len(row) == 2)
    return tuple((uuid, pid) for uuid, pid in pairs if pid is not None)


def _rows(text: str) -> list[list[str]]:
    try:
        return [[cell.strip() for cell in row] for row in csv.reader(text.splitlines(), skipinitialspace=True)]
    except csv.Error:
        return []


def _card(cells: Mapping[str, str]) -> Card | None:
    index = whole_of(cells.get("index", ""))
    if index is None:
        return None
    free, total = bytes_of(cells.get("memory.free", "")), bytes_of(cells.get("memory.total", ""))
    used = bytes_of(cells.get("memory.used", ""))
    if total is None and used is not None and free is not None:
        total = used + free
    errors = whole_of(cells.get("ecc.errors.uncorrected.volatile.total", "")) or 0
    return Card(
        index=index,
        uuid=_text(cells, "uuid"),
        model=_text(cells, "name"),
        pci_address=address_of(cells.get("pci.bus_id", "")) or None,
        driver=_text(cells, "driver_version"),
        memory_total_bytes=total or None,
        memory_used_bytes=used,
        utilization=share_of(cells.get("utilization.gpu", "")),
        temperature_c=number_of(cells.get("temperature.gpu", "")),
        power_w=number_of(cells.get("power.draw", "")),
        health=DeviceHealth.DEGRADED if errors else DeviceHealth.OK,
        health_detail=f"{errors} uncorrected memory errors since its driver was loaded" if errors else "",
    )


def _text(cells: Mapping[str, str], column: str) -> str | None:
    cell = cells.get(column, "")
    return None if not cell or _UNKNOWN.fullmatch(cell) else cell

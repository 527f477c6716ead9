"""Intel's xpu-smi: `discovery` (JSON, and the table of one device), `stats` and `ps`.

Kunlunxin has a tool of the same name that answers otherwise: nothing is read from that.
"""

import re
from collections.abc import Mapping

from roundhouse_common.contracts.node import DeviceHealth
from roundhouse_node_agent.devices.parsers.card import Card
from roundhouse_node_agent.devices.parsers.figures import address_of, bytes_of, number_of, share_of, whole_of
from roundhouse_node_agent.devices.parsers.lenient_json import read_json

__all__ = ["parse_discovery", "parse_discovery_table", "parse_stats"]


def parse_discovery(text: str) -> tuple[Card, ...]:
    """Return the devices of `discovery -j`: a list of them, bare or named, or one alone. No memory is told there."""
    answer = read_json(text)
    if isinstance(answer, Mapping):
        answer = answer.get("device_list", [answer])
    told = [one for one in answer if isinstance(one, Mapping)] if isinstance(answer, list) else []
    return tuple(card for one in told if (card := _card(one)) is not None)


def _card(told: Mapping[str, object]) -> Card | None:
    index = whole_of(told.get("device_id", ""))
    if index is None:
        return None
    return Card(
        index=index,
        uuid=str(told.get("uuid") or "") or None,
        model=str(told.get("device_name") or "") or None,
        pci_address=address_of(str(told.get("pci_bdf_address", ""))) or None,
    )


def parse_discovery_table(text: str) -> tuple[Card, ...]:
    """Return the devices of `discovery` as a table; memory is in that of one device (`-d`) only."""
    groups: dict[int, dict[str, str]] = {}
    index: int | None = None
    for cells in _cells(text):
        index = whole_of(cells[0]) if cells[0] else index
        key, colon, value = cells[1].partition(":")
        if index is not None and colon:
            groups.setdefault(index, {})[key.strip()] = value.strip()
    return tuple(
        Card(
            index=number,
            uuid=told.get("UUID") or None,
            model=told.get("Device Name"),
            pci_address=address_of(told.get("PCI BDF Address", "")) or None,
            driver=told.get("Driver Version"),
            memory_total_bytes=bytes_of(told.get("Memory Physical Size", "")) or None,
        )
        for number, told in groups.items()
    )


def parse_stats(text: str) -> tuple[Card, ...]:
    """Return the one device of `stats -d`. An empty cell is unknown; a label may be broken over two rows."""
    told: dict[str, str] = {}
    above = ""
    for label, value in _cells(text):
        if not value and above in told:
            told[f"{above} {label}"] = told[above]
        told[label] = value
        above = label
    index = whole_of(told.get("Device ID", ""))
    if index is None:
        return ()
    errors = whole_of(told.get("Mem Errors Uncorrectable", "")) or 0
    used = told.get("GPU Memory Used (MiB)", "")
    return (
        Card(
            index=index,
            utilization=share_of(told.get("Average % utilization of all GPU Engines", "")),
            temperature_c=number_of(told.get("GPU Core Temperature (C)", "")),
            power_w=number_of(told.get("GPU Power (W)", "")),
            memory_used_bytes=bytes_of(used),
            health=DeviceHealth.DEGRADED if errors else DeviceHealth.OK,
            health_detail=f"{errors} uncorrectable memory errors" if errors else "",
        ),
    )


def _cells(text: str) -> list[tuple[str, str]]:
    rows = (re.fullmatch(r"\|([^|]*)\|([^|]*)\|", line.strip()) for line in text.splitlines())
    return [(row[1].strip(), row[2].strip()) for row in rows if row is not None]

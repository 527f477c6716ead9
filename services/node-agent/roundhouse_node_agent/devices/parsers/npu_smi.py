"""Ascend's npu-smi: `info`, `info -m`, `info -t health`, `info -t proc-mem`.

Three layouts of `info`: with a column Device (the logical id), with Phy-ID or neither, and, since 25.6, without chips.
"""

import re
from dataclasses import dataclass

from roundhouse_common.contracts.node import DeviceHealth
from roundhouse_node_agent.devices.parsers.figures import address_of, bytes_of, number_of, share_of, whole_of

__all__ = ["Chip", "ChipProcess", "MappedChip", "NpuTable", "parse_health", "parse_info", "parse_mapping"]

_HEALTH = {
    "ok": DeviceHealth.OK,
    "warning": DeviceHealth.DEGRADED,
    "alarm": DeviceHealth.DEGRADED,
    "critical": DeviceHealth.FAILED,
}
_PAIR = re.compile(r"(\d+)\s*/\s*(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    npu: int
    chip: int
    name: str
    health: DeviceHealth
    logical: int | None = None
    physical: int | None = None
    pci_address: str = ""
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    utilization: float | None = None
    temperature_c: float | None = None
    power_w: float | None = None


@dataclass(frozen=True, slots=True)
class ChipProcess:
    npu: int
    chip: int
    pid: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class NpuTable:
    chips: tuple[Chip, ...] = ()
    processes: tuple[ChipProcess, ...] = ()
    version: str = ""


@dataclass(frozen=True, slots=True)
class MappedChip:
    npu: int
    chip: int
    logical: int | None
    physical: int | None = None


def parse_info(text: str) -> NpuTable:
    """Return the chips in the table's order. A row that cannot be read costs its chip, not the others."""
    version = re.search(r"\bVersion:\s*(\S+)", text)
    chips: list[Chip] = []
    processes: list[ChipProcess] = []
    header, above = "", None
    for line in text.splitlines():
        if not line.lstrip().startswith("|"):
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if "Process id" in line:
            header = "processes"
        elif header == "processes":
            processes += _process(cells)
        elif "Bus-Id" in line:
            header = line
        elif header and (first := _first_row(cells)) is not None and above is None:
            above = first
        elif above is not None:
            chip = _chip(above, cells, header)
            chips += [chip] if chip is not None else []
            above = None if chip is not None else _first_row(cells)
    return NpuTable(tuple(chips), tuple(processes), version[1] if version else "")


@dataclass(frozen=True, slots=True)
class _First:
    npu: int
    name: str
    health: str
    figures: str
    is_wide: bool


def _first_row(cells: list[str]) -> _First | None:
    if len(cells) == 4 and cells[0].isdigit():
        return _First(int(cells[0]), cells[1], cells[2], cells[3], is_wide=True)
    named = re.fullmatch(r"(\d+)\s+(\S.*)", cells[0]) if len(cells) == 3 else None
    if named is None or _is_bus(cells[1]):
        return None
    return _First(int(named[1]), named[2], cells[1], cells[2], is_wide=False)


def _chip(first: _First, cells: list[str], header: str) -> Chip | None:
    if len(cells) != (4 if first.is_wide else 3) or not _is_bus(cells[-2]):
        return None
    numbers = [int(number) for number in cells[0].split() if number.isdigit()]
    if not first.is_wide and not numbers:
        return None
    second = numbers[1] if len(numbers) > 1 else None
    pairs = _PAIR.findall(cells[-1])
    used, total = pairs[1] if "HBM" in header and len(pairs) > 1 else pairs[0] if pairs else ("", "")
    upper = first.figures.split()
    return Chip(
        npu=first.npu,
        chip=numbers[0] if numbers else 0,
        name=first.name,
        health=_HEALTH.get(first.health.lower(), DeviceHealth.UNKNOWN),
        logical=second if "Device" in header else None,
        physical=second if "Phy-ID" in header else None,
        pci_address=address_of(cells[-2]),
        memory_total_bytes=bytes_of(total) or None,
        memory_used_bytes=bytes_of(used),
        utilization=share_of(cells[-1]),
        power_w=number_of(upper[0]) if upper else None,
        temperature_c=number_of(upper[1]) if len(upper) > 1 else None,
    )


def _is_bus(cell: str) -> bool:
    """Tell a chip's second row from its first: both may begin with two numbers."""
    return cell == "NA" or bool(address_of(cell))


def _process(cells: list[str]) -> list[ChipProcess]:
    numbers = [int(number) for number in cells[0].split() if number.isdigit()]
    pid = whole_of(cells[1]) if len(cells) >= 4 else None
    held = bytes_of(cells[3]) if len(cells) >= 4 else None
    if not numbers or pid is None or held is None:
        return []
    return [ChipProcess(numbers[0], numbers[1] if len(numbers) > 1 else 0, pid, held)]


def parse_mapping(text: str) -> tuple[MappedChip, ...]:
    """Return which chip has which logical or physical id, without management chips.

    Nothing, where neither is told and a card has several chips: which is which would be a guess.
    """
    names: list[str] = []
    rows: list[dict[str, str]] = []
    for line in text.splitlines():
        if "NPU ID" in line:
            names = re.findall(r"NPU ID|Slot ID|Chip ID|Chip Logic ID|Chip Phy-ID|Chip Name", line)
        elif names and len(cells := line.split(maxsplit=len(names) - 1)) == len(names):
            rows.append(dict(zip(names, cells, strict=True)))
    found = []
    for row in rows:
        npu, chip = whole_of(row["NPU ID"]), whole_of(row.get("Chip ID", "0"))
        if npu is None or chip is None or row.get("Chip Name", "").strip().lower() == "mcu":
            continue
        found.append(
            MappedChip(npu, chip, whole_of(row.get("Chip Logic ID", "")), whole_of(row.get("Chip Phy-ID", "")))
        )
    is_told = all(one.logical is not None or one.physical is not None for one in found)
    is_single = len({one.npu for one in found}) == len(found)
    return tuple(found) if is_told or is_single else ()


def parse_health(text: str) -> DeviceHealth:
    """Return the worst of a board's chips."""
    order = (DeviceHealth.UNKNOWN, DeviceHealth.OK, DeviceHealth.DEGRADED, DeviceHealth.FAILED)
    told = re.findall(r"^\s*Health\s*:\s*(\S+)", text, re.MULTILINE)
    return max((_HEALTH.get(one.lower(), DeviceHealth.UNKNOWN) for one in told), key=order.index, default=order[0])

"""rocm-smi and Hygon's hy-smi: `--json`, and the older table, `--healthcheck`."""

import re
from collections.abc import Mapping

from roundhouse_common.contracts.node import DeviceHealth
from roundhouse_node_agent.devices.parsers.card import Card
from roundhouse_node_agent.devices.parsers.figures import address_of, bytes_of, number_of, share_of, whole_of
from roundhouse_node_agent.devices.parsers.lenient_json import read_json

__all__ = ["parse_cards", "parse_healthcheck", "parse_table"]

_TEMPERATURES = ("junction", "edge", "core")
_POWERS = ("average graphics package power (w)", "current socket graphics package power (w)")


def parse_cards(text: str) -> tuple[Card, ...]:
    """Return the cards of a JSON answer, also of one that is not valid JSON."""
    answer = read_json(text)
    found = []
    for name, told in answer.items() if isinstance(answer, dict) else ():
        number = re.fullmatch(r"card(\d{1,4})", str(name))
        if number is not None and isinstance(told, Mapping):
            figures = {str(key).strip().lower(): str(value).strip() for key, value in told.items()}
            found.append(_card(int(number[1]), figures))
    return tuple(sorted(found, key=lambda card: card.index))


def _card(index: int, figures: Mapping[str, str]) -> Card:
    unique = _text(figures, "unique id")
    temperatures = (number_of(figures.get(f"temperature (sensor {sensor}) (c)", "")) for sensor in _TEMPERATURES)
    powers = (number_of(figures.get(key, "")) for key in _POWERS)
    uses = (share_of(figures.get(f"{unit} use (%)", "")) for unit in ("gpu", "dcu", "hcu"))
    return Card(
        index=index,
        uuid=None if unique is None else f"GPU-{unique.removeprefix('0x')}" if _is_hex(unique) else unique,
        model=_text(figures, "card series", "device name", "card model"),
        pci_address=address_of(figures.get("pci bus", "")) or None,
        driver=_text(figures, "driver version"),
        memory_total_bytes=_memory(figures, "vram total memory") or None,
        memory_used_bytes=_memory(figures, "vram total used memory"),
        utilization=next((use for use in uses if use is not None), None),
        temperature_c=next((one for one in temperatures if one is not None), None),
        power_w=next((one for one in powers if one is not None), None),
    )


def _memory(figures: Mapping[str, str], name: str) -> int | None:
    for unit in ("B", "MiB"):
        if (told := figures.get(f"{name} ({unit.lower()})")) is not None:
            return bytes_of(told, unit)
    return None


def _text(figures: Mapping[str, str], *names: str) -> str | None:
    told = (figures.get(name, "") for name in names)
    return next((one for one in told if one and one.upper() != "N/A"), None)


def _is_hex(text: str) -> bool:
    return re.fullmatch(r"(0x)?[0-9a-f]{16}", text, re.IGNORECASE) is not None


def parse_table(text: str) -> tuple[Card, ...]:
    """Return the cards of the table that older tools print: no memory in it but a percentage."""
    names: list[str] = []
    found = []
    for line in text.splitlines():
        cells = line.split()
        if cells and cells[0] in ("DCU", "HCU", "GPU"):
            names = cells
        elif names and len(cells) == len(names) and (index := whole_of(cells[0])) is not None:
            row = dict(zip(names, cells, strict=True))
            use = next((share_of(row[name]) for name in ("DCU%", "HCU%", "GPU%") if name in row), None)
            temperature, power = number_of(row.get("Temp", "")), number_of(row.get("AvgPwr", ""))
            found.append(Card(index=index, utilization=use, temperature_c=temperature, power_w=power))
    return tuple(found)


def parse_healthcheck(text: str) -> tuple[Card, ...]:
    """Return the cards' health and addresses."""
    found = []
    for line in text.splitlines():
        index = re.match(r"\s*[HD]CU\[(\d+)\]", line)
        if index is not None and ":" in line:
            status = line.rsplit(":", 1)[1].strip()
            address = re.search(r"[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]", line)
            is_well = status.lower() in ("healthy", "ok", "pass", "normal")
            found.append(
                Card(
                    index=int(index[1]),
                    pci_address=address_of(address[0]) if address else None,
                    health=DeviceHealth.OK if is_well else DeviceHealth.FAILED,
                    health_detail="" if is_well else f"its health check says {status}",
                )
            )
    return tuple(found)

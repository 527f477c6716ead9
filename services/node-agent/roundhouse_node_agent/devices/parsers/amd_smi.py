"""amd-smi's JSON: `static`, `list` and `metric`. A list until ROCm 6; wrapped, and with other letter cases, since 7."""

from collections.abc import Iterable, Mapping
from typing import cast

from roundhouse_node_agent.devices.parsers.card import Card
from roundhouse_node_agent.devices.parsers.figures import address_of, bytes_of, number_of, share_of, whole_of
from roundhouse_node_agent.devices.parsers.lenient_json import read_json

__all__ = ["parse_amd_smi", "parse_hip_ids"]

_Told = Mapping[str, object]
_UNKNOWN = ("", "n/a", "none", "unknown")


def parse_amd_smi(text: str) -> tuple[Card, ...]:
    """Return the cards of an answer to any of the three; one that cannot be read is left out."""
    return tuple(card for told in _gpus(text) if (card := _card(told)) is not None)


def parse_hip_ids(text: str) -> dict[int, int]:
    """Return, by amd-smi's number of a GPU, the one that engines count by, of `list -e`; newer tools tell it."""
    pairs = ((whole_of(told.get("gpu", "")), whole_of(told.get("hip_id", ""))) for told in _gpus(text))
    return {gpu: hip for gpu, hip in pairs if gpu is not None and hip is not None}


def _gpus(text: str) -> list[_Told]:
    answer = _lower(read_json(text), 0)
    listed = answer.get("gpu_data") if isinstance(answer, Mapping) else answer
    return [told for told in listed if isinstance(told, Mapping)] if isinstance(listed, list) else []


def _lower(value: object, depth: int) -> object:
    """Return the same with all keys in lower case."""
    if isinstance(value, Mapping) and depth < 16:
        return {str(key).lower(): _lower(below, depth + 1) for key, below in value.items()}
    if isinstance(value, list) and depth < 16:
        return [_lower(below, depth + 1) for below in value]
    return value


def _card(told: _Told) -> Card | None:
    number = whole_of(told.get("gpu", ""))
    if number is None:
        return None
    asic, memory, power = _below(told, "asic"), _below(told, "mem_usage"), _below(told, "power")
    total = _size(_below(told, "vram").get("size"))
    temperatures = _below(told, "temperature")
    address = address_of(str(_below(told, "bus").get("bdf", told.get("bdf", ""))))
    return Card(
        index=number,
        uuid=_text(told.get("uuid")),
        model=_text(asic.get("market_name")),
        pci_address=address or None,
        driver=_driver(told.get("driver")),
        memory_total_bytes=(total if total is not None else _size(memory.get("total_vram"))) or None,
        memory_used_bytes=_size(memory.get("used_vram")),
        utilization=share_of(_value(_below(told, "usage").get("gfx_activity"))),
        temperature_c=_first(number_of(_value(temperatures.get(name))) for name in ("hotspot", "edge", "mem")),
        power_w=_first(number_of(_value(power.get(name))) for name in ("socket_power", "average_socket_power")),
    )


def _below(told: _Told, name: str) -> _Told:
    value = told.get(name)
    return cast(_Told, value) if isinstance(value, Mapping) else {}


def _value(told: object) -> str:
    """Return a figure that stands alone, or with its unit beside it."""
    return str(told.get("value", "")) if isinstance(told, Mapping) else str(told)


def _size(told: object) -> int | None:
    unit = str(told.get("unit", "MiB")) if isinstance(told, Mapping) else "MiB"
    return bytes_of(f"{_value(told)} {unit}")


def _text(told: object) -> str | None:
    return told if isinstance(told, str) and told.strip().lower() not in _UNKNOWN else None


def _driver(told: object) -> str | None:
    """Return its version: newer tools call it `version`, and some say N/A there and name it beside it."""
    if not isinstance(told, Mapping):
        return _text(told)
    return next((version for key in ("version", "driver_version") if (version := _text(told.get(key)))), None)


def _first(values: Iterable[float | None]) -> float | None:
    return next((value for value in values if value is not None), None)

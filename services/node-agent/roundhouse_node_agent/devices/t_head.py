"""T-Head's PPU, through ppu-smi."""

from collections.abc import Sequence

from roundhouse_common.contracts.node import DeviceVendor
from roundhouse_node_agent.devices.parsers.card import Card, merged
from roundhouse_node_agent.devices.parsers.smi_csv import parse_query
from roundhouse_node_agent.devices.tools import Ask, Tool

__all__ = ["T_HEAD"]

_IDS = ("index", "uuid", "name")
_MEMORY = ("index", "memory.total", "memory.used", "pci.bus_id")
_USAGE = ("index", "memory.total", "memory.used", "utilization.ppu", "temperature.ppu", "power.draw")


def _query(ask: Ask, fields: Sequence[str]) -> Sequence[Card]:
    """Ask by its own names of the fields, and read by nvidia-smi's."""
    answer = ask(f"--query-ppu={','.join(fields)}", "--format=csv,noheader")
    return parse_query(answer, [field.replace(".ppu", ".gpu") for field in fields])


def _inventory(ask: Ask) -> Sequence[Card]:
    return merged(_query(ask, _IDS), _query(ask, _MEMORY))


def _usage(ask: Ask) -> Sequence[Card]:
    return _query(ask, _USAGE)


T_HEAD = Tool(
    vendor=DeviceVendor.T_HEAD,
    title="T-Head",
    pci_vendor="1ded",
    names=("ppu-smi",),
    directories=("/usr/local/bin", "/usr/local/PPU_SDK/bin"),
    libraries=("/usr/local/PPU_SDK/lib64",),
    inventory=_inventory,
    usage=_usage,
)

"""Iluvatar, through ixsmi, which asks and answers as nvidia-smi does."""

from collections.abc import Sequence

from roundhouse_common.contracts.node import DeviceVendor
from roundhouse_node_agent.devices.parsers.card import Card, merged
from roundhouse_node_agent.devices.parsers.smi_csv import parse_query
from roundhouse_node_agent.devices.tools import Ask, Tool

__all__ = ["ILUVATAR"]

_USAGE = ("index", "name", "memory.total", "memory.used", "utilization.gpu", "temperature.gpu")
"""The fields that are known to be answered, in this order."""
_IDS = ("index", "uuid", "pci.bus_id")


def _inventory(ask: Ask) -> Sequence[Card]:
    ids = ask(f"--query-gpu={','.join(_IDS)}", "--format=csv,noheader", is_optional=True)
    return merged(_usage(ask), parse_query(ids, _IDS))


def _usage(ask: Ask) -> Sequence[Card]:
    return parse_query(ask(f"--query-gpu={','.join(_USAGE)}", "--format=csv,noheader"), _USAGE)


ILUVATAR = Tool(
    vendor=DeviceVendor.ILUVATAR,
    title="Iluvatar",
    pci_vendor="1e3e",
    names=("ixsmi",),
    directories=("/usr/local/corex/bin",),
    libraries=("/usr/local/corex/lib64", "/usr/local/corex/lib"),
    inventory=_inventory,
    usage=_usage,
)

"""Biren, through brsmi. No real output of it was ever seen: it is asked only for fields that others ask it for."""

from collections.abc import Sequence

from roundhouse_common.contracts.node import DeviceVendor
from roundhouse_node_agent.devices.parsers.card import Card, merged
from roundhouse_node_agent.devices.parsers.smi_csv import parse_query
from roundhouse_node_agent.devices.tools import Ask, Tool

__all__ = ["BIREN"]

_MEMORY = ("index", "memory.used", "memory.free")
_NAMES = ("index", "name")
_TEMPERATURE = ("index", "temperature.gpu")


def _query(ask: Ask, fields: Sequence[str], *, is_optional: bool = False) -> Sequence[Card]:
    arguments = ("gpu", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits")
    return parse_query(ask(*arguments, is_optional=is_optional), fields)


def _inventory(ask: Ask) -> Sequence[Card]:
    """Memory's total is used and free together: brsmi is not known to tell it."""
    return merged(_query(ask, _MEMORY), _query(ask, _NAMES, is_optional=True))


def _usage(ask: Ask) -> Sequence[Card]:
    return merged(_query(ask, _MEMORY), _query(ask, _TEMPERATURE))


BIREN = Tool(
    vendor=DeviceVendor.BIREN,
    title="Biren",
    pci_vendor="",
    device_files="biren/card_*",
    names=("brsmi", "biren-smi"),
    directories=("/usr/local/birensupa/driver/biren-smi/bin",),
    libraries=("/usr/local/birensupa/driver/biren-smi/lib",),
    inventory=_inventory,
    usage=_usage,
)

"""MetaX, through mx-smi."""

from collections.abc import Sequence

from roundhouse_common.contracts.node import DeviceVendor
from roundhouse_node_agent.devices.parsers.card import Card, merged
from roundhouse_node_agent.devices.parsers.mx_smi import parse_ecc, parse_list, parse_table
from roundhouse_node_agent.devices.tools import Ask, Tool

__all__ = ["METAX"]


def _inventory(ask: Ask) -> Sequence[Card]:
    return merged(parse_list(ask("-L")), parse_table(ask()), parse_ecc(ask("--count-ecc", is_optional=True)))


def _usage(ask: Ask) -> Sequence[Card]:
    return parse_table(ask())


METAX = Tool(
    vendor=DeviceVendor.METAX,
    title="MetaX",
    pci_vendor="9999",
    names=("mx-smi",),
    directories=("/opt/mxdriver/bin", "/opt/maca/bin", "/opt/mxn100/bin"),
    libraries=("/opt/mxdriver/lib", "/opt/maca/lib", "/opt/mxn100/lib"),
    inventory=_inventory,
    usage=_usage,
)

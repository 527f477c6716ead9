"""Cambricon MLU, through cnmon."""

from collections.abc import Sequence

from roundhouse_common.contracts.node import DeviceVendor
from roundhouse_node_agent.devices.parsers.card import Card
from roundhouse_node_agent.devices.parsers.cnmon import parse_table
from roundhouse_node_agent.devices.tools import Ask, Tool

__all__ = ["CAMBRICON"]


def _look(ask: Ask) -> Sequence[Card]:
    return parse_table(ask())


CAMBRICON = Tool(
    vendor=DeviceVendor.CAMBRICON,
    title="Cambricon",
    pci_vendor="cabc",
    names=("cnmon",),
    directories=("/usr/local/neuware/bin",),
    libraries=("/usr/local/neuware/lib64",),
    inventory=_look,
    usage=_look,
)

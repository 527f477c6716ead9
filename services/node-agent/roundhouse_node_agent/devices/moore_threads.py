"""Moore Threads, through mthreads-gmi."""

from collections.abc import Sequence

from roundhouse_common.contracts.node import DeviceVendor
from roundhouse_node_agent.devices.parsers.card import Card
from roundhouse_node_agent.devices.parsers.mthreads_gmi import parse_table
from roundhouse_node_agent.devices.tools import Ask, Tool

__all__ = ["MOORE_THREADS"]


def _look(ask: Ask) -> Sequence[Card]:
    return parse_table(ask())


MOORE_THREADS = Tool(
    vendor=DeviceVendor.MOORE_THREADS,
    title="Moore Threads",
    pci_vendor="1ed5",
    names=("mthreads-gmi",),
    directories=("/usr/local/musa/bin",),
    libraries=("/usr/local/musa/lib",),
    inventory=_look,
    usage=_look,
)

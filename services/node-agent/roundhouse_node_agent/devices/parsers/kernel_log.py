"""Faults of NVIDIA GPUs in the kernel's log: `NVRM: Xid (PCI:0000:0e:00): 79, ...`."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from roundhouse_node_agent.devices.parsers.figures import address_of

__all__ = ["FAULTS", "parse_xids"]

_XID = re.compile(r"NVRM: Xid \(PCI:([0-9a-fA-F:]+)\): (\d{1,4})\b")

FAULTS: Mapping[int, str] = MappingProxyType(
    {
        48: "a double-bit memory error",
        62: "its internal controller halted",
        64: "a memory row could not be remapped",
        74: "an NVLink error",
        79: "it fell off the bus",
        92: "many single-bit memory errors",
        94: "a contained memory error",
        95: "an uncontained memory error",
        119: "its system processor gave no answer",
        120: "its system processor failed",
        140: "an unrecovered memory error",
    }
)
"""Those that the hardware causes. What a program does wrong (13, 31, 43, 45, 68, ...) says nothing about the card."""


def parse_xids(lines: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Return the hardware's faults of each PCI address, each once, in the order told."""
    found: dict[str, dict[int, None]] = {}
    for line in lines:
        told = _XID.search(line)
        if told is None or int(told[2]) not in FAULTS:
            continue
        address = address_of(told[1]) or address_of(f"{told[1]}.0")
        if address:
            found.setdefault(address, {})[int(told[2])] = None
    return {address: tuple(xids) for address, xids in found.items()}

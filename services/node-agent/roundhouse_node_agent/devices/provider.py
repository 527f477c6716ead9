"""The seam for accelerators: one provider per vendor."""

from dataclasses import dataclass
from typing import Protocol

from roundhouse_common.contracts.node import DeviceInfo

__all__ = ["DeviceProvider", "Discovery"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """What one look found. No devices and no errors means: there are none."""

    devices: tuple[DeviceInfo, ...] = ()
    errors: tuple[str, ...] = ()
    """What could not be looked at, in words, one per device or per library."""


class DeviceProvider(Protocol):
    """Finds one vendor's devices. Read-only."""

    @property
    def vendor(self) -> str:
        """The vendor's name, for messages."""

    def discover(self) -> Discovery:
        """Look once. Never raises; blocks as long as the vendor's library does. One bad device hides no other."""

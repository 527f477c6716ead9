"""What devices do now: one meter per vendor, asked in a thread and not waited for longer than a deadline."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import structlog

from roundhouse_common.contracts.node import DeviceSample

__all__ = ["DeviceMeter", "DeviceMeters", "Measurement", "ProcessShare"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessShare:
    """What one process holds of one device's memory."""

    uuid: str
    pid: int
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One look. A device that cannot be read is not in it; a figure that cannot is -1."""

    devices: tuple[DeviceSample, ...] = ()
    shares: tuple[ProcessShare, ...] = ()


class DeviceMeter(Protocol):
    """Measures one vendor's devices. Read-only."""

    @property
    def vendor(self) -> str:
        """The vendor's name, for messages."""

    def measure(self) -> Measurement:
        """Look once. Never raises; blocks as long as the vendor's library does. One bad device hides no other."""


class DeviceMeters:
    """All vendors together. A device once seen stays in the answers, with -1 for what it does not tell any more."""

    def __init__(self, meters: Sequence[DeviceMeter], *, timeout_s: float = 5.0) -> None:
        self._meters = meters
        self._timeout_s = timeout_s
        self._looks: dict[str, asyncio.Future[Measurement]] = {}
        self._late: set[str] = set()
        self._seen: dict[str, int] = {}
        self._threads = ThreadPoolExecutor(max_workers=max(1, len(meters)), thread_name_prefix="device-meter")

    async def read(self) -> Measurement:
        """Return what the devices do now, within the deadline."""
        looks = await asyncio.gather(*(self._measure(meter) for meter in self._meters))
        found = {device.uuid: device for look in looks for device in look.devices}
        self._seen |= {uuid: device.memory_total_bytes for uuid, device in found.items()}
        silent = [
            DeviceSample(uuid=uuid, memory_total_bytes=total) for uuid, total in self._seen.items() if uuid not in found
        ]
        shares = tuple(share for look in looks for share in look.shares)
        return Measurement(devices=(*found.values(), *silent), shares=shares)

    def close(self) -> None:
        """Let the threads go; one that hangs in a library is left behind."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _measure(self, meter: DeviceMeter) -> Measurement:
        """Ask one vendor; while an earlier question is unanswered no second one is asked. An answer that came too late
        counts the next time."""
        look = self._looks.get(meter.vendor)
        if look is None or (look.done() and meter.vendor not in self._late):
            look = asyncio.get_running_loop().run_in_executor(self._threads, meter.measure)
            self._looks[meter.vendor] = look
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await asyncio.shield(look)
        except TimeoutError:
            self._late.add(meter.vendor)
            _log.debug("device_meter_silent", vendor=meter.vendor, timeout_s=self._timeout_s)
            return Measurement()
        self._late.discard(meter.vendor)
        return found

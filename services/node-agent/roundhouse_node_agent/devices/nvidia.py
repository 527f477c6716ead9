"""NVIDIA GPUs through NVML (nvidia-ml-py), and their MIG instances as devices of their own."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pynvml

from roundhouse_common.contracts.node import DeviceInfo, DeviceVendor
from roundhouse_node_agent.devices.kernel_log import read_kernel_log
from roundhouse_node_agent.devices.nvidia_health import health_of
from roundhouse_node_agent.devices.nvidia_links import links_of
from roundhouse_node_agent.devices.parsers.figures import address_of
from roundhouse_node_agent.devices.parsers.kernel_log import parse_xids
from roundhouse_node_agent.devices.pci import PciBus
from roundhouse_node_agent.devices.provider import DeviceProvider, Discovery

__all__ = ["NvidiaProvider", "instances_of", "nvml", "text_of", "told"]


class NvidiaProvider:
    """`dev` is where device files are, `kernel_log` where the kernel writes; other places in tests.

    `fallback` is asked when NVML cannot be.
    """

    vendor = DeviceVendor.NVIDIA.value

    def __init__(
        self,
        *,
        dev: Path = Path("/dev"),
        pci: PciBus | None = None,
        kernel_log: Path = Path("/dev/kmsg"),
        fallback: DeviceProvider | None = None,
    ) -> None:
        self._dev = dev
        self._pci = pci or PciBus()
        self._kernel_log = kernel_log
        self._fallback = fallback

    def discover(self) -> Discovery:
        try:
            with nvml():
                return self._look()
        except pynvml.NVMLError as error:
            return self._no_library(error)

    def _look(self) -> Discovery:
        devices: list[DeviceInfo] = []
        errors: list[str] = []
        count = pynvml.nvmlDeviceGetCount()
        driver = text_of(told(pynvml.nvmlSystemGetDriverVersion) or "")
        xids = parse_xids(read_kernel_log(self._kernel_log)) if count else {}
        instances: list[DeviceInfo] = []
        handles: dict[str, Any] = {}
        for index in range(count):
            try:
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                card = _card(handle, index, driver, xids)
                if not _is_split(handle):
                    devices.append(card)
                    handles[card.uuid] = handle
                    continue
                own = [_instance(one, card, count + len(instances) + at) for at, one in enumerate(instances_of(handle))]
                instances += own
                if not own:
                    errors.append(f"nvidia: device {index} is in MIG mode and has no instances: nothing can run on it")
            except pynvml.NVMLError as error:
                errors.append(f"nvidia: device {index} cannot be read: {error}")
        links = links_of(handles, told)
        devices = [msgspec.structs.replace(card, links=links[card.uuid]) for card in devices]
        return Discovery(devices=(*devices, *instances), errors=tuple(errors))

    def _no_library(self, error: pynvml.NVMLError) -> Discovery:
        """No library and no hardware: a host without NVIDIA. Hardware without the library: a fault."""
        is_absent = error.value in (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED)
        cards = self._pci.cards("10de", ("0x03",))
        if is_absent and not cards and not any(self._dev.glob("nvidia[0-9]*")):
            return Discovery()
        found = self._fallback.discover() if self._fallback is not None else Discovery()
        if found.devices:
            return found
        if not is_absent:
            return Discovery(errors=(f"nvidia: the driver's library cannot be used: {error}",))
        place = f"a card is at {cards[0].address}, but " if cards else ""
        words = f"nvidia: {place}the driver's library cannot be used: {error}; install or load the driver"
        return Discovery(errors=(words,))


def _card(handle: Any, index: int, driver: str, xids: Mapping[str, tuple[int, ...]]) -> DeviceInfo:
    pci = told(lambda: pynvml.nvmlDeviceGetPciInfo(handle))
    address = address_of(text_of(pci.busId)) if pci is not None else ""
    health, detail = health_of(handle, xids.get(address, ()))
    total, free, is_shared = _memory(handle)
    minor = told(lambda: pynvml.nvmlDeviceGetMinorNumber(handle))
    return DeviceInfo(
        uuid=text_of(pynvml.nvmlDeviceGetUUID(handle)),
        index=index,
        vendor=DeviceVendor.NVIDIA,
        model=text_of(pynvml.nvmlDeviceGetName(handle)),
        memory_total_bytes=total,
        memory_free_bytes=free,
        health=health,
        health_detail=detail,
        minor=-1 if minor is None else minor,
        pci_address=address,
        driver=driver,
        is_memory_shared=is_shared,
    )


def _memory(handle: Any) -> tuple[int, int, bool]:
    """Return total, free, and whether they are the host's: GPUs on one chip with the processor (GB10) have none."""
    try:
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    except pynvml.NVMLError as error:
        if error.value != pynvml.NVML_ERROR_NOT_SUPPORTED or _is_split(handle):
            raise
        memory = None
    if memory is not None and memory.total > 0:
        return int(memory.total), int(memory.free), False
    host = psutil.virtual_memory()
    return host.total, host.available, True


def _is_split(handle: Any) -> bool:
    mode = told(lambda: pynvml.nvmlDeviceGetMigMode(handle))
    return mode is not None and mode[0] == pynvml.NVML_DEVICE_MIG_ENABLE


def instances_of(handle: Any) -> Iterator[Any]:
    """Return the handles of a GPU's MIG devices; their places have gaps."""
    for place in range(told(lambda: pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)) or 0):
        instance = told(partial(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, place))
        if instance is not None:
            yield instance


def _instance(handle: Any, card: DeviceInfo, index: int) -> DeviceInfo:
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    number = told(lambda: pynvml.nvmlDeviceGetGpuInstanceId(handle))
    return DeviceInfo(
        uuid=text_of(pynvml.nvmlDeviceGetUUID(handle)),
        index=index,
        vendor=DeviceVendor.NVIDIA,
        model=text_of(pynvml.nvmlDeviceGetName(handle)),
        memory_total_bytes=int(memory.total),
        memory_free_bytes=int(memory.free),
        health=card.health,
        health_detail=card.health_detail,
        physical_index=-1 if number is None else number,
        minor=card.minor,
        pci_address=card.pci_address,
        driver=card.driver,
        parent_uuid=card.uuid,
    )


@contextlib.contextmanager
def nvml() -> Iterator[None]:
    """Open NVML for one look: a driver that is loaded later, or reset, is then seen."""
    pynvml.nvmlInit()
    try:
        yield
    finally:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def told(ask: Callable[[], Any]) -> Any:
    """Return the answer; None where this card, or its driver, does not tell."""
    try:
        return ask()
    except pynvml.NVMLError:
        return None


def text_of(value: str | bytes) -> str:
    """Return what the library said; older versions of its binding give bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

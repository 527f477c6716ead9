"""NVIDIA GPUs through NVML (nvidia-ml-py)."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pynvml

from roundhouse_common.contracts.node import DeviceInfo, DeviceVendor
from roundhouse_node_agent.devices.provider import Discovery

__all__ = ["NvidiaProvider", "nvml", "text_of"]


class NvidiaProvider:
    """`dev` is where device files are; another place in tests."""

    vendor = DeviceVendor.NVIDIA.value

    def __init__(self, *, dev: Path = Path("/dev")) -> None:
        self._dev = dev

    def discover(self) -> Discovery:
        try:
            with nvml():
                return self._look()
        except pynvml.NVMLError as error:
            return self._no_library(error)

    def _look(self) -> Discovery:
        devices: list[DeviceInfo] = []
        errors: list[str] = []
        for index in range(pynvml.nvmlDeviceGetCount()):
            try:
                devices.append(_read(index))
            except pynvml.NVMLError as error:
                errors.append(f"nvidia: device {index} cannot be read: {error}")
        return Discovery(devices=tuple(devices), errors=tuple(errors))

    def _no_library(self, error: pynvml.NVMLError) -> Discovery:
        """No library and no device files: a host without NVIDIA. Device files without the library: a fault."""
        is_absent = error.value in (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED)
        if is_absent and not any(self._dev.glob("nvidia[0-9]*")):
            return Discovery()
        return Discovery(errors=(f"nvidia: the driver's library cannot be used: {error}",))


def _read(index: int) -> DeviceInfo:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return DeviceInfo(
        uuid=text_of(pynvml.nvmlDeviceGetUUID(handle)),
        index=index,
        vendor=DeviceVendor.NVIDIA,
        model=text_of(pynvml.nvmlDeviceGetName(handle)),
        memory_total_bytes=int(memory.total),
        memory_free_bytes=int(memory.free),
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


def text_of(value: str | bytes) -> str:
    """Return what the library said; older versions of its binding give bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

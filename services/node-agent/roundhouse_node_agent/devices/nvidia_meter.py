"""What NVIDIA GPUs do now, through NVML."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pynvml

from roundhouse_common.contracts.node import DeviceSample, DeviceVendor
from roundhouse_node_agent.devices.meter import Measurement, ProcessShare
from roundhouse_node_agent.devices.nvidia import nvml, text_of

__all__ = ["NvidiaMeter"]

_FIRST_PID_NAMESPACE = "pid:[4026531836]"
"""Its number is fixed in the kernel (PROC_PID_INIT_INO)."""


class NvidiaMeter:
    """`pid_namespace` is the link that names the agent's; another file in tests."""

    vendor = DeviceVendor.NVIDIA.value

    def __init__(self, *, pid_namespace: Path = Path("/proc/self/ns/pid")) -> None:
        self._pid_namespace = pid_namespace

    def measure(self) -> Measurement:
        devices: list[DeviceSample] = []
        shares: list[ProcessShare] = []
        with contextlib.suppress(pynvml.NVMLError), nvml():  # what is wrong, the inventory says
            knows_pids = self._knows_pids()
            for index in range(pynvml.nvmlDeviceGetCount()):
                with contextlib.suppress(pynvml.NVMLError):
                    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                    uuid = text_of(pynvml.nvmlDeviceGetUUID(handle))
                    devices.append(_sample(handle, uuid))
                    if knows_pids:
                        shares += _shares(handle, uuid)
        return Measurement(devices=tuple(devices), shares=tuple(shares))

    def _knows_pids(self) -> bool:
        """NVML tells pids of the machine; in a container with pids of its own they are other processes'."""
        try:
            return str(self._pid_namespace.readlink()) == _FIRST_PID_NAMESPACE
        except OSError:
            return False


def _sample(handle: Any, uuid: str) -> DeviceSample:  # Any: an opaque pointer of the library
    memory = _told(lambda: pynvml.nvmlDeviceGetMemoryInfo(handle))
    rates = _told(lambda: pynvml.nvmlDeviceGetUtilizationRates(handle))
    temperature = _told(lambda: pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))
    milliwatts = _told(lambda: pynvml.nvmlDeviceGetPowerUsage(handle))
    return DeviceSample(
        uuid=uuid,
        utilization=-1.0 if rates is None else rates.gpu / 100,
        memory_used_bytes=-1 if memory is None else int(memory.used),
        memory_total_bytes=-1 if memory is None else int(memory.total),
        temperature_c=-1.0 if temperature is None else float(temperature),
        power_w=-1.0 if milliwatts is None else milliwatts / 1000,
    )


def _shares(handle: Any, uuid: str) -> Iterator[ProcessShare]:
    for process in _told(lambda: pynvml.nvmlDeviceGetComputeRunningProcesses(handle)) or ():
        if process.usedGpuMemory is not None:
            yield ProcessShare(uuid=uuid, pid=int(process.pid), memory_bytes=int(process.usedGpuMemory))


def _told(ask: Callable[[], Any]) -> Any:
    """Return the answer; None where this card, or its driver, does not tell."""
    try:
        return ask()
    except pynvml.NVMLError:
        return None

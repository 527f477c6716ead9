"""What NVIDIA GPUs do now, through NVML."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pynvml

from roundhouse_common.contracts.node import DeviceSample, DeviceVendor
from roundhouse_node_agent.devices.meter import DeviceMeter, Measurement, ProcessShare
from roundhouse_node_agent.devices.nvidia import instances_of, nvml, text_of, told

__all__ = ["NvidiaMeter", "knows_pids"]

_FIRST_PID_NAMESPACE = "pid:[4026531836]"
"""Its number is fixed in the kernel (PROC_PID_INIT_INO)."""


class NvidiaMeter:
    """`fallback` is asked when NVML cannot be."""

    vendor = DeviceVendor.NVIDIA.value

    def __init__(self, *, pid_namespace: Path = Path("/proc/self/ns/pid"), fallback: DeviceMeter | None = None) -> None:
        self._pid_namespace = pid_namespace
        self._fallback = fallback

    def measure(self) -> Measurement:
        devices: list[DeviceSample] = []
        shares: list[ProcessShare] = []
        try:
            with nvml():
                is_told_pids = knows_pids(self._pid_namespace)
                for index in range(pynvml.nvmlDeviceGetCount()):
                    with contextlib.suppress(pynvml.NVMLError):  # what is wrong, the inventory says
                        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                        for one in tuple(instances_of(handle)) or (handle,):
                            uuid = text_of(pynvml.nvmlDeviceGetUUID(one))
                            devices.append(_sample(one, uuid, of_card=handle))
                            shares += _shares(one, uuid) if is_told_pids else ()
        except pynvml.NVMLError:
            return self._fallback.measure() if self._fallback is not None else Measurement()
        return Measurement(devices=tuple(devices), shares=tuple(shares))


def knows_pids(pid_namespace: Path = Path("/proc/self/ns/pid")) -> bool:
    """Return whether the pids that drivers tell, which are the machine's, are those that this process sees.

    In a container with pids of its own they are other processes'. `pid_namespace` is the link that names the agent's;
    another file in tests.
    """
    try:
        return str(pid_namespace.readlink()) == _FIRST_PID_NAMESPACE
    except OSError:
        return False


def _sample(handle: Any, uuid: str, *, of_card: Any) -> DeviceSample:  # Any: opaque pointers of the library
    """Return one look; a slice of a card tells no temperature and power, which are the card's."""
    memory = told(lambda: pynvml.nvmlDeviceGetMemoryInfo(handle))
    rates = told(lambda: pynvml.nvmlDeviceGetUtilizationRates(handle))
    temperature = told(lambda: pynvml.nvmlDeviceGetTemperature(of_card, pynvml.NVML_TEMPERATURE_GPU))
    milliwatts = told(lambda: pynvml.nvmlDeviceGetPowerUsage(of_card))
    return DeviceSample(
        uuid=uuid,
        utilization=-1.0 if rates is None else rates.gpu / 100,
        memory_used_bytes=int(memory.used) if memory is not None and memory.total else -1,
        memory_total_bytes=int(memory.total) if memory is not None and memory.total else -1,
        temperature_c=-1.0 if temperature is None else float(temperature),
        power_w=-1.0 if milliwatts is None else milliwatts / 1000,
    )


def _shares(handle: Any, uuid: str) -> Iterator[ProcessShare]:
    for process in told(lambda: pynvml.nvmlDeviceGetComputeRunningProcesses(handle)) or ():
        if process.usedGpuMemory is not None:
            yield ProcessShare(uuid=uuid, pid=int(process.pid), memory_bytes=int(process.usedGpuMemory))

"""What devices do now: what one does not tell is -1, and one bad card hides no other."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from roundhouse_common.contracts.node import DeviceSample
from roundhouse_node_agent.devices.meter import DeviceMeters, Measurement, ProcessShare
from roundhouse_node_agent.devices.nvidia_meter import NvidiaMeter

GIB = 1024**3
MACHINE = "pid:[4026531836]"


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[int], Any]]:
    """A driver with two cards; a test replaces what one of its functions answers. Any: what NVML answers."""
    answers: dict[str, Callable[[int], Any]] = {
        "HandleByIndex": lambda index: index,
        "UUID": lambda index: f"GPU-{index}",
        "MemoryInfo": lambda _: SimpleNamespace(used=30 * GIB, total=80 * GIB),
        "UtilizationRates": lambda _: SimpleNamespace(gpu=75, memory=40),
        "PowerUsage": lambda _: 412_300,
        "ComputeRunningProcesses": lambda index: [SimpleNamespace(pid=100 + index, usedGpuMemory=20 * GIB)],
    }
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 2)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetTemperature", lambda _handle, _sensor: 65)
    for name in answers:
        monkeypatch.setattr(pynvml, f"nvmlDeviceGet{name}", lambda handle, name=name: answers[name](handle))
    return answers


def refuse(code: int) -> Callable[[int], object]:
    def raise_it(_handle: int) -> object:
        raise pynvml.NVMLError(code)

    return raise_it


def measure(tmp_path: Path, *, namespace: str = MACHINE) -> Measurement:
    link = tmp_path / "pid"
    os.symlink(namespace, link)
    return NvidiaMeter(pid_namespace=link).measure()


@pytest.mark.contract("A12", "C03")
def test_each_card_tells_use_memory_temperature_and_power(
    nvml: dict[str, Callable[[int], Any]], tmp_path: Path
) -> None:
    found = measure(tmp_path)
    assert found.devices[0] == DeviceSample(
        uuid="GPU-0",
        utilization=0.75,
        memory_used_bytes=30 * GIB,
        memory_total_bytes=80 * GIB,
        temperature_c=65.0,
        power_w=412.3,
    )
    assert found.shares[1] == ProcessShare(uuid="GPU-1", pid=101, memory_bytes=20 * GIB)


def test_what_a_card_does_not_support_is_unknown_and_the_rest_is_told(
    nvml: dict[str, Callable[[int], Any]], tmp_path: Path
) -> None:
    for name in ("UtilizationRates", "PowerUsage", "ComputeRunningProcesses"):
        nvml[name] = refuse(pynvml.NVML_ERROR_NOT_SUPPORTED)
    found = measure(tmp_path)
    (first, _) = found.devices
    assert (first.utilization, first.power_w, first.temperature_c, found.shares) == (-1.0, -1.0, 65.0, ())


def test_a_lost_card_hides_no_other(nvml: dict[str, Callable[[int], Any]], tmp_path: Path) -> None:
    nvml["HandleByIndex"] = lambda index: refuse(pynvml.NVML_ERROR_GPU_IS_LOST)(index) if index == 0 else index
    assert [device.uuid for device in measure(tmp_path).devices] == ["GPU-1"]


def test_pids_of_the_machine_are_not_taken_for_those_of_a_container(
    nvml: dict[str, Callable[[int], Any]], tmp_path: Path
) -> None:
    found = measure(tmp_path, namespace="pid:[4026532201]")
    assert (len(found.devices), found.shares) == (2, ())


def test_a_host_without_a_driver_has_nothing_to_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", fail)
    assert measure(tmp_path) == Measurement()


class Answering:
    """A vendor whose library answers what it is given, or hangs."""

    vendor = "acme"

    def __init__(self, *uuids: str) -> None:
        self.uuids = uuids
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.asked = 0

    def measure(self) -> Measurement:
        self.asked += 1
        self.may_answer.wait(10)
        return Measurement(
            devices=tuple(DeviceSample(uuid=uuid, utilization=0.5, memory_total_bytes=GIB) for uuid in self.uuids)
        )


async def test_a_library_that_hangs_costs_its_figures_and_is_not_asked_again() -> None:
    hanging, fine = Answering("GPU-a"), Answering("XPU-b")
    fine.vendor = "other"
    meters = DeviceMeters([hanging, fine], timeout_s=0.2)
    await meters.read()
    hanging.may_answer.clear()
    for _ in range(3):
        found = {device.uuid: device for device in (await meters.read()).devices}
        assert (found["GPU-a"].utilization, found["GPU-a"].memory_total_bytes) == (-1.0, GIB)
        assert found["XPU-b"].utilization == 0.5
    assert hanging.asked == 2
    hanging.may_answer.set()
    meters.close()


async def test_a_card_that_is_gone_stays_in_the_answers_without_figures() -> None:
    vendor = Answering("GPU-a", "GPU-b")
    meters = DeviceMeters([vendor])
    await meters.read()
    vendor.uuids = ("GPU-b",)
    found = {device.uuid: device.utilization for device in (await meters.read()).devices}
    assert found == {"GPU-a": -1.0, "GPU-b": 0.5}
    meters.close()

"""What a host has: "none" is told from "failed", one bad device hides no other, limits of control groups count."""

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace

import psutil
import pynvml
import pytest

from roundhouse_common.contracts.node import DeviceInfo, DeviceVendor
from roundhouse_node_agent.devices.host_limits import read_host_limits
from roundhouse_node_agent.devices.inventory import Inventory
from roundhouse_node_agent.devices.nvidia import NvidiaProvider
from roundhouse_node_agent.devices.pci import PciBus
from roundhouse_node_agent.devices.provider import Discovery
from tests.support.eventually import eventually

GIB = 1024**3


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> dict[int, object]:
    """A driver with the devices of the returned table: index -> name, or an error code."""
    cards: dict[int, object] = {}

    def handle(index: int) -> int:
        card = cards[index]
        if isinstance(card, int):
            raise pynvml.NVMLError(card)
        return index

    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: len(cards))
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", handle)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetUUID", lambda index: f"GPU-{index}")
    monkeypatch.setattr(pynvml, "nvmlDeviceGetName", lambda index: cards[index])
    memory = SimpleNamespace(total=80 * GIB, free=79 * GIB)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetMemoryInfo", lambda _index: memory)
    return cards


def test_devices_are_listed_with_their_uuids(nvml: dict[int, object]) -> None:
    nvml[0] = b"NVIDIA H100"
    expected = DeviceInfo(
        uuid="GPU-0",
        index=0,
        vendor=DeviceVendor.NVIDIA,
        model="NVIDIA H100",
        memory_total_bytes=80 * GIB,
        memory_free_bytes=79 * GIB,
    )
    assert NvidiaProvider().discover() == Discovery(devices=(expected,))


def test_a_chip_that_tells_no_memory_of_its_own_has_the_hosts(
    nvml: dict[int, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    nvml[0] = "NVIDIA GB10"
    monkeypatch.setattr(pynvml, "nvmlDeviceGetMemoryInfo", lambda _index: SimpleNamespace(total=0, free=0))
    (device,) = NvidiaProvider().discover().devices
    assert (device.is_memory_shared, device.memory_total_bytes) == (True, psutil.virtual_memory().total)


def test_a_card_in_mig_mode_without_instances_is_an_error(
    nvml: dict[int, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    nvml.update({0: "A", 1: "B"})
    monkeypatch.setattr(pynvml, "nvmlDeviceGetMigMode", lambda index: [index, index])
    found = NvidiaProvider().discover()
    assert [device.uuid for device in found.devices] == ["GPU-0"]
    assert found.errors == ("nvidia: device 1 is in MIG mode and has no instances: nothing can run on it",)


def test_one_bad_device_hides_no_other(nvml: dict[int, object]) -> None:
    nvml.update({0: "A", 1: pynvml.NVML_ERROR_GPU_IS_LOST, 2: "C"})
    found = NvidiaProvider().discover()
    assert [device.uuid for device in found.devices] == ["GPU-0", "GPU-2"]
    assert len(found.errors) == 1
    assert "device 1" in found.errors[0]


@pytest.mark.parametrize(
    ("code", "has_device_files", "is_fault"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, False, False),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, False, False),
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, True, True),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, False, True),
    ],
)
def test_no_devices_is_told_from_a_driver_that_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int, has_device_files: bool, is_fault: bool
) -> None:
    def fail() -> None:
        raise pynvml.NVMLError(code)

    monkeypatch.setattr(pynvml, "nvmlInit", fail)
    if has_device_files:
        (tmp_path / "nvidia0").touch()
    found = NvidiaProvider(dev=tmp_path, pci=PciBus(tmp_path / "pci")).discover()
    assert found.devices == ()
    assert bool(found.errors) is is_fault


async def test_a_library_that_hangs_costs_its_devices_and_not_the_node() -> None:
    release = threading.Event()

    class Hanging:
        vendor = "hanging"
        looks = 0

        def discover(self) -> Discovery:
            self.looks += 1
            release.wait(30)
            return Discovery()

    provider = Hanging()
    inventory = Inventory([provider], address="127.0.0.1", agent_version="0", region="", labels={}, timeout_s=0.01)
    try:
        for _ in range(3):
            found = await inventory.read()
            assert found.device_errors == ("hanging: no answer from its library in 0.01 s",)
        assert provider.looks == 1
    finally:
        release.set()
        inventory.close()
        await asyncio.sleep(0)


async def test_an_answer_that_came_too_late_counts_the_next_time() -> None:
    release = threading.Event()
    card = DeviceInfo(
        uuid="XPU-0", index=0, vendor=DeviceVendor.UNKNOWN, model="X", memory_total_bytes=1, memory_free_bytes=1
    )

    class Slow:
        vendor = "slow"
        looks = 0

        def discover(self) -> Discovery:
            self.looks += 1
            release.wait(30)
            return Discovery(devices=(card,))

    provider = Slow()
    inventory = Inventory([provider], address="127.0.0.1", agent_version="0", region="", labels={}, timeout_s=0.01)
    assert (await inventory.read()).devices == ()
    release.set()

    async def devices() -> tuple[DeviceInfo, ...]:
        return (await inventory.read()).devices

    assert await eventually(devices) == (card,)
    assert provider.looks == 1
    inventory.close()


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    (tmp_path / "cgroup").mkdir()
    return tmp_path


def limits_in(root: Path, own: str) -> tuple[int, int, int]:
    (root / "own").write_text(own)
    found = read_host_limits(cgroup_root=root / "cgroup", own_cgroup=root / "own")
    return found.cpu_cores, found.memory_total_bytes, found.memory_available_bytes


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_version_2_groups_and_those_above_them_limit(groups: Path) -> None:
    put(groups / "cgroup/pod/memory.max", f"{1 * GIB}\n")
    put(groups / "cgroup/pod/memory.current", f"{600 << 20}\n")
    put(groups / "cgroup/pod/memory.stat", f"anon 1\ninactive_file {100 << 20}\n")
    put(groups / "cgroup/pod/box/cpu.max", "100000 100000\n")
    put(groups / "cgroup/pod/box/memory.max", "max\n")
    assert limits_in(groups, "0::/pod/box\n") == (1, GIB, GIB - (500 << 20))


def test_version_1_groups_limit(groups: Path) -> None:
    put(groups / "cgroup/memory/box/memory.limit_in_bytes", f"{2 * GIB}\n")
    put(groups / "cgroup/memory/box/memory.usage_in_bytes", f"{GIB}\n")
    put(groups / "cgroup/cpu/box/cpu.cfs_quota_us", "150000\n")
    put(groups / "cgroup/cpu/box/cpu.cfs_period_us", "100000\n")
    assert limits_in(groups, "4:memory:/box\n3:cpu,cpuacct:/box\n") == (1, 2 * GIB, GIB)


def test_without_limits_the_machine_counts(groups: Path) -> None:
    cores, total, _ = limits_in(groups, "0::/\n")
    assert total == psutil.virtual_memory().total
    assert cores >= 1

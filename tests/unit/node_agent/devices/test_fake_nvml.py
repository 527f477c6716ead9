"""The real binding (nvidia-ml-py) on a small shared object that answers as a driver would: the calls are real."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil
import pytest

from roundhouse_common.contracts.node import DeviceHealth, DeviceInfo, DeviceLink, DeviceSample, DeviceVendor
from roundhouse_node_agent.devices.meter import ProcessShare

GIB = 1024**3
SOURCE = Path(__file__).parents[3] / "fixtures" / "fake_nvml" / "nvml.c"
LOOK = """
import sys
from pathlib import Path
import msgspec
from roundhouse_node_agent.devices.nvidia import NvidiaProvider
from roundhouse_node_agent.devices.nvidia_meter import NvidiaMeter
provider = NvidiaProvider(kernel_log=Path(sys.argv[1]))
found = [provider.discover(), provider.discover()]
assert found[0].errors == found[1].errors
measured = NvidiaMeter(pid_namespace=Path(sys.argv[2])).measure()
sys.stdout.buffer.write(msgspec.json.encode([found[0].devices, found[0].errors, measured.devices, measured.shares]))
"""
Look = tuple[tuple[DeviceInfo, ...], tuple[str, ...], tuple[DeviceSample, ...], tuple[ProcessShare, ...]]


@pytest.fixture(scope="module")
def look(tmp_path_factory: pytest.TempPathFactory) -> Look:
    """Build the library, and look at it in a process whose search path has it."""
    directory = tmp_path_factory.mktemp("nvml")
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    if compiler is None:
        pytest.skip("no C compiler (cc, gcc, clang) on PATH to build the fake NVML with")
    library = directory / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, SOURCE], check=True, timeout=60)
    (directory / "kmsg").write_text("4,1,2,-;NVRM: Xid (PCI:0000:0e:00): 94, pid=7, Contained memory error\n")
    (directory / "pid").symlink_to("pid:[4026531836]")
    done = subprocess.run(
        [sys.executable, "-c", LOOK, directory / "kmsg", directory / "pid"],
        env={**os.environ, "LD_LIBRARY_PATH": str(directory)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    answer: Look = msgspec.json.decode(done.stdout, type=Look)
    return answer


@pytest.mark.contract("A08", "A12")
def test_a_whole_card_is_told_with_its_health(look: Look) -> None:
    assert look[0][0] == DeviceInfo(
        uuid="GPU-0",
        links={"GPU-2": DeviceLink.DIRECT},
        index=0,
        vendor=DeviceVendor.NVIDIA,
        model="NVIDIA H100 80GB HBM3",
        memory_total_bytes=80 * GIB,
        memory_free_bytes=78 * GIB,
        health=DeviceHealth.DEGRADED,
        health_detail=("3 uncorrected memory errors since its driver was loaded; a contained memory error (Xid 94)"),
        minor=7,
        pci_address="0000:0e:00.0",
        driver="580.95.05",
    )


@pytest.mark.contract("A08")
def test_whole_cards_tell_how_they_reach_each_other(look: Look) -> None:
    assert [(one.uuid, one.links) for one in look[0]] == [
        ("GPU-0", {"GPU-2": DeviceLink.DIRECT}),
        ("GPU-2", {"GPU-0": DeviceLink.DIRECT}),
        ("MIG-1-0", {}),
        ("MIG-1-2", {}),
    ]


def test_a_card_in_slices_is_its_slices(look: Look) -> None:
    assert [one.uuid for one in look[0]] == ["GPU-0", "GPU-2", "MIG-1-0", "MIG-1-2"]
    assert look[0][3] == DeviceInfo(
        uuid="MIG-1-2",
        index=5,
        vendor=DeviceVendor.NVIDIA,
        model="NVIDIA A100-SXM4-40GB MIG 3g.20gb",
        memory_total_bytes=20 * GIB,
        memory_free_bytes=19 * GIB,
        health=DeviceHealth.FAILED,
        health_detail="a memory row could not be replaced: the card has to be",
        physical_index=3,
        minor=6,
        pci_address="0000:0f:00.0",
        driver="580.95.05",
        parent_uuid="GPU-1",
    )


@pytest.mark.contract("A08")
def test_a_chip_without_memory_of_its_own_has_the_hosts(look: Look) -> None:
    shared = look[0][1]
    assert (shared.is_memory_shared, shared.memory_total_bytes) == (True, psutil.virtual_memory().total)
    assert 0 < shared.memory_free_bytes < shared.memory_total_bytes
    assert shared.health is DeviceHealth.OK


def test_a_lost_card_hides_no_other(look: Look) -> None:
    assert look[1] == ("nvidia: device 3 cannot be read: GPU is lost",)


@pytest.mark.contract("A12")
def test_use_is_told_of_cards_and_slices(look: Look) -> None:
    samples = {one.uuid: one for one in look[2]}
    assert samples["GPU-0"] == DeviceSample(
        uuid="GPU-0",
        utilization=0.75,
        memory_used_bytes=2 * GIB,
        memory_total_bytes=80 * GIB,
        temperature_c=60.0,
        power_w=412.3,
    )
    assert samples["MIG-1-0"] == DeviceSample(
        uuid="MIG-1-0", memory_used_bytes=GIB, memory_total_bytes=20 * GIB, temperature_c=61.0, power_w=412.3
    )
    assert (samples["GPU-2"].memory_used_bytes, samples["GPU-2"].memory_total_bytes) == (-1, -1)
    assert look[3] == (ProcessShare(uuid="GPU-0", pid=4711, memory_bytes=GIB),)

"""Where NVML cannot be asked: another way, or a sentence that says what is wrong; and the kernel's own words."""

import os
from pathlib import Path

import pynvml
import pytest

from roundhouse_common.contracts.node import DeviceInfo, DeviceSample, DeviceVendor
from roundhouse_node_agent.devices.kernel_log import read_kernel_log
from roundhouse_node_agent.devices.meter import Measurement
from roundhouse_node_agent.devices.nvidia import NvidiaProvider
from roundhouse_node_agent.devices.nvidia_meter import NvidiaMeter
from roundhouse_node_agent.devices.pci import PciBus
from roundhouse_node_agent.devices.provider import Discovery
from tests.support.fake_pci import plug_in

CARD = DeviceInfo(
    uuid="GPU-x", index=0, vendor=DeviceVendor.NVIDIA, model="A", memory_total_bytes=1, memory_free_bytes=1
)


class Smi:
    """Stands in for nvidia-smi."""

    vendor = "nvidia"

    def __init__(self, found: Discovery) -> None:
        self.found = found

    def discover(self) -> Discovery:
        return self.found

    def measure(self) -> Measurement:
        return Measurement(devices=(DeviceSample(uuid="GPU-x", utilization=0.5),))


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", fail)


@pytest.mark.contract("A08")
@pytest.mark.usefixtures("broken")
def test_a_card_on_pci_without_its_driver_is_an_error_in_words(tmp_path: Path) -> None:
    plug_in(tmp_path / "pci", "0000:0e:00.0", vendor="10de", pci_class="030200")
    plug_in(tmp_path / "pci", "0000:0e:00.1", vendor="10de", pci_class="040300")
    for fallback in (None, Smi(Discovery(errors=("nvidia: no nvidia-smi",)))):
        found = NvidiaProvider(dev=tmp_path, pci=PciBus(tmp_path / "pci"), fallback=fallback).discover()
        assert found.devices == ()
        assert found.errors == (
            "nvidia: a card is at 0000:0e:00.0, but the driver's library cannot be used: NVML Shared Library Not Found;"
            " install or load the driver",
        )


@pytest.mark.usefixtures("broken")
def test_nvidia_smi_is_asked_instead(tmp_path: Path) -> None:
    plug_in(tmp_path / "pci", "0000:0e:00.0", vendor="10de", pci_class="030200")
    smi = Smi(Discovery(devices=(CARD,)))
    assert NvidiaProvider(dev=tmp_path, pci=PciBus(tmp_path / "pci"), fallback=smi).discover() == smi.found
    assert NvidiaMeter(fallback=smi).measure().devices == (DeviceSample(uuid="GPU-x", utilization=0.5),)


@pytest.mark.usefixtures("broken")
def test_without_hardware_nobody_else_is_asked(tmp_path: Path) -> None:
    smi = Smi(Discovery(devices=(CARD,)))
    assert NvidiaProvider(dev=tmp_path, pci=PciBus(tmp_path), fallback=smi).discover() == Discovery()


def test_the_kernels_log_is_read_to_its_end_and_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "kmsg"
    os.mkfifo(pipe)
    assert read_kernel_log(pipe) == []
    writer = os.open(pipe, os.O_RDWR)
    os.write(writer, b"4,1,2,-;NVRM: Xid (PCI:0000:0e:00): 79, x\n6,2,3,-;usb 1-1\n")
    assert read_kernel_log(pipe) == ["4,1,2,-;NVRM: Xid (PCI:0000:0e:00): 79, x"]
    os.close(writer)
    assert read_kernel_log(tmp_path / "none") == []

"""On a machine with an NVIDIA GPU: the real driver, and nvidia-smi beside it."""

import shutil
from pathlib import Path

import pytest

from roundhouse_common.runtime import SystemClock
from roundhouse_node_agent.devices.commands import Commands
from roundhouse_node_agent.devices.known import known_devices
from roundhouse_node_agent.devices.nvidia import NvidiaProvider
from roundhouse_node_agent.devices.nvidia_meter import NvidiaMeter
from roundhouse_node_agent.devices.nvidia_smi import NVIDIA_SMI
from roundhouse_node_agent.devices.pci import PciBus
from roundhouse_node_agent.devices.tools import ToolDevices

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not list(Path("/dev").glob("nvidia[0-9]*")), reason="no NVIDIA GPU here: no /dev/nvidia0"),
]


@pytest.mark.contract("A08", "A12")
def test_the_driver_tells_cards_and_their_use() -> None:
    found = NvidiaProvider().discover()
    assert found.errors == ()
    assert found.devices
    samples = {one.uuid: one for one in NvidiaMeter().measure().devices}
    for device in found.devices:
        assert device.uuid.startswith(("GPU-", "MIG-"))
        assert 0 < device.memory_free_bytes <= device.memory_total_bytes
        assert device.driver
        assert samples[device.uuid].memory_total_bytes in (device.memory_total_bytes, -1)
        assert samples[device.uuid].temperature_c > 0


def test_nvidia_smi_tells_of_the_same_cards() -> None:
    if shutil.which("nvidia-smi") is None:
        pytest.skip("no nvidia-smi on PATH")
    smi = ToolDevices(NVIDIA_SMI, Commands(SystemClock(), timeout_s=60), pci=PciBus(), host="host").discover()
    own = NvidiaProvider().discover()
    assert {one.uuid for one in smi.devices} == {one.uuid for one in own.devices}
    assert {one.pci_address for one in smi.devices} == {one.pci_address for one in own.devices}
    for one, other in zip(sorted(smi.devices, key=str), sorted(own.devices, key=str), strict=True):
        assert one.memory_total_bytes == pytest.approx(other.memory_total_bytes, rel=0.02)


def test_no_other_vendor_is_taken_for_it() -> None:
    _, *others = known_devices(SystemClock()).providers
    assert [provider.discover() for provider in others if provider.discover().devices] == []

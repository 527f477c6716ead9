"""nvidia-smi and the tools made after it, and Intel's xpu-smi."""

import pytest

from roundhouse_common.contracts.node import DeviceHealth
from roundhouse_node_agent.devices.parsers import nvidia_smi, xpu_smi
from roundhouse_node_agent.devices.parsers.card import Card
from roundhouse_node_agent.devices.parsers.kernel_log import parse_xids
from roundhouse_node_agent.devices.parsers.nvidia_smi import ListedMig, MigInstance, QueriedGpu
from roundhouse_node_agent.devices.parsers.smi_csv import parse_compute_apps, parse_query
from tests.support.device_samples import MIB, sample

SHORT = ("index", "name", "memory.total", "memory.used", "utilization.gpu", "temperature.gpu")


@pytest.mark.contract("A08")
def test_nvidia_csv_with_units() -> None:
    model = "NVIDIA GeForce RTX 4080 SUPER"
    assert parse_query(sample("nvidia-smi/query-gpu-rtx4080s-x2.txt"), SHORT) == (
        Card(
            index=0,
            model=model,
            memory_total_bytes=16376 * MIB,
            memory_used_bytes=1309 * MIB,
            utilization=0.0,
            temperature_c=41.0,
        ),
        Card(
            index=1,
            model=model,
            memory_total_bytes=16376 * MIB,
            memory_used_bytes=13625 * MIB,
            utilization=0.0,
            temperature_c=39.0,
        ),
    )


def test_nvidia_csv_with_a_comma_in_a_name_and_unknown_figures() -> None:
    columns = ("index", "name", "utilization.gpu", "memory.used", "memory.total", "temperature.gpu", "power.draw")
    assert parse_query(sample("nvidia-smi/query-gpu-na-quoted.txt"), columns) == (
        Card(
            index=0,
            model="NVIDIA A100",
            memory_total_bytes=40960 * MIB,
            memory_used_bytes=10240 * MIB,
            utilization=0.75,
            temperature_c=62.0,
            power_w=221.5,
        ),
        Card(index=1, model="NVIDIA GPU, PCIe", memory_total_bytes=40960 * MIB),
    )


@pytest.mark.contract("A08")
def test_iluvatar_csv_has_units_nvidia_has_not() -> None:
    assert parse_query(sample("ixsmi/query-gpu-mrv50-mrv100.txt"), SHORT) == (
        Card(
            index=0,
            model="Iluvatar MR-V50",
            memory_total_bytes=16384 * MIB,
            memory_used_bytes=116 * MIB,
            utilization=0.0,
            temperature_c=30.0,
        ),
        Card(
            index=1,
            model="Iluvatar MR-V100",
            memory_total_bytes=32768 * MIB,
            memory_used_bytes=27996 * MIB,
            utilization=0.0,
            temperature_c=36.0,
        ),
    )


@pytest.mark.contract("A08")
def test_ppu_csv_with_a_header() -> None:
    assert parse_query(sample("ppu-smi/query-ppu-zw810e-x2.txt"), ("index", "uuid", "name")) == (
        Card(index=0, uuid="GPU-abc", model="PPU-ZW810E"),
        Card(index=1, uuid="PPU-def", model="PPU-ZW810E"),
    )
    assert parse_compute_apps(sample("ppu-smi/query-compute-apps.txt")) == (("PPU-def", 1234),)


def test_a_total_is_used_and_free_where_it_is_not_told() -> None:
    assert parse_query("0, 1024, 31744\n1, N/A, 3\n", ("index", "memory.used", "memory.free")) == (
        Card(index=0, memory_used_bytes=1024 * MIB, memory_total_bytes=32768 * MIB),
        Card(index=1),
    )


def test_uncorrected_errors_degrade() -> None:
    columns = ("index", "ecc.errors.uncorrected.volatile.total")
    found = parse_query("0, 3\n1, 0\n2, [N/A]\n", columns)
    assert [card.health for card in found] == [DeviceHealth.DEGRADED, DeviceHealth.OK, DeviceHealth.OK]


def test_mig_devices_of_a_list_and_of_an_administrators_table() -> None:
    assert nvidia_smi.parse_list(sample("nvidia-smi/list-mig-a100.txt")) == (
        ListedMig(0, 0, "1g.5gb", "MIG-xxx"),
        ListedMig(0, 1, "1g.5gb", "MIG-xxx"),
    )
    assert nvidia_smi.parse_instances(sample("nvidia-smi/mig-lci.txt")) == (
        (0, 1, 0, "3g.40gb"),
        (0, 2, 0, "3g.40gb"),
    )


def test_mig_instances_have_their_own_memory() -> None:
    instance = MigInstance(0, 1, 0, 40448 * MIB, 298 * MIB)
    expected = QueriedGpu("0000:00:09.0", True, 81920 * MIB, 3703 * MIB, 38.0, (instance,))
    assert nvidia_smi.parse_xml(sample("nvidia-smi/q-x-mig-trimmed-closed.txt")) == (expected,)


def test_broken_xml_tells_nothing() -> None:
    assert nvidia_smi.parse_xml(sample("nvidia-smi/q-x-mig-trimmed.txt")) == ()


INTEL = Card(
    index=0,
    uuid="00000000-0000-0000-0000-020a00008086",
    model="Intel(R) Graphics [0x020a]",
    pci_address="0000:4d:00.0",
)


@pytest.mark.contract("A08")
def test_intel_discovery() -> None:
    assert xpu_smi.parse_discovery(sample("xpu-smi/discovery.json")) == (INTEL,)
    assert xpu_smi.parse_discovery_table(sample("xpu-smi/discovery-table.txt")) == (INTEL,)
    (device,) = xpu_smi.parse_discovery_table(sample("xpu-smi/discovery-device-table.txt"))
    assert (device.uuid, device.driver, device.memory_total_bytes) == (INTEL.uuid, "16929133", 32768 * MIB)
    assert xpu_smi.parse_discovery('[{"device_id": 3, "uuid": "u"}]') == (Card(index=3, uuid="u"),)
    assert xpu_smi.parse_discovery('{"device_id": 3, "uuid": "u"}') == (Card(index=3, uuid="u"),)


def test_intel_devices_as_csv() -> None:
    columns = ("index", "name")
    model = "Intel(R) Graphics [0x56c0]"
    assert parse_query(sample("xpu-smi/discovery-dump-csv.txt"), columns) == (
        Card(index=0, model=model),
        Card(index=1, model=model),
    )


def test_intel_statistics_with_empty_cells() -> None:
    assert xpu_smi.parse_stats(sample("xpu-smi/stats-table.txt")) == (
        Card(index=0, utilization=0.0, temperature_c=41.0, power_w=15.0, memory_used_bytes=24 * MIB),
    )


def test_faults_of_hardware_are_told_from_those_of_programs() -> None:
    lines = [
        "4,1,2,-;NVRM: Xid (PCI:0000:0e:00): 79, pid=1, GPU has fallen off the bus.",
        "4,1,3,-;NVRM: Xid (PCI:0000:0e:00): 79, pid=1",
        "4,1,4,-;NVRM: Xid (PCI:0000:0e:00): 48, DBE",
        "4,1,5,-;NVRM: Xid (PCI:0000:1a:00): 31, pid=77, name=python, MMU Fault",
        "4,1,6,-;usb 1-1: new device",
    ]
    assert parse_xids(lines) == {"0000:0e:00.0": (79, 48)}

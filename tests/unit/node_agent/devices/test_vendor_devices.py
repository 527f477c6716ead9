"""Every vendor's cards, from what PCI shows and its tool prints to what a node reports and measures."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from roundhouse_common.contracts.node import DeviceHealth, DeviceInfo, DeviceSample, DeviceVendor
from roundhouse_node_agent.devices.amd import AMD
from roundhouse_node_agent.devices.ascend import ASCEND
from roundhouse_node_agent.devices.biren import BIREN
from roundhouse_node_agent.devices.cambricon import CAMBRICON
from roundhouse_node_agent.devices.hygon import HYGON
from roundhouse_node_agent.devices.iluvatar import ILUVATAR
from roundhouse_node_agent.devices.intel import INTEL
from roundhouse_node_agent.devices.metax import METAX
from roundhouse_node_agent.devices.moore_threads import MOORE_THREADS
from roundhouse_node_agent.devices.nvidia_smi import NVIDIA_SMI
from roundhouse_node_agent.devices.provider import Discovery
from roundhouse_node_agent.devices.t_head import T_HEAD
from roundhouse_node_agent.devices.tools import Tool
from tests.support.device_samples import MIB
from tests.support.vendor_devices import devices, found


@pytest.mark.contract("A08")
def test_ascend_chips_have_logical_and_physical_ids_apart(tmp_path: Path) -> None:
    answers = {"npu-smi info": "npu-smi/info-310p3-x2-25.5.1.txt", "npu-smi info -m": "Usage: npu-smi info"}
    ascend = devices(tmp_path, ASCEND, answers, "0000:81:00.0", "0000:85:00.0")
    first, second = ascend.discover().devices
    assert second == DeviceInfo(
        uuid="ascend-host-0000:85:00.0-0",
        index=1,
        vendor=DeviceVendor.ASCEND,
        model="310P3",
        memory_total_bytes=21525 * MIB,
        memory_free_bytes=(21525 - 1849) * MIB,
        physical_index=5,
        pci_address="0000:85:00.0",
        driver="25.5.1",
    )
    assert (first.index, first.physical_index) == (0, 4)


def test_ascend_logical_ids_are_the_mappings_where_it_has_them(tmp_path: Path) -> None:
    table = "npu-smi/atlas-800-inference-server_model-3000_version-1.0.11-1.0.15"
    answers = {"npu-smi info": f"{table}.txt", "npu-smi info -m": f"{table}_mapping.txt"}
    ascend = devices(tmp_path, ASCEND, answers, "0000:89:00.0")
    assert [one.index for one in ascend.discover().devices] == [0, 1, 2, 3]


def test_ascend_without_mapping_and_bus_counts_in_order(tmp_path: Path) -> None:
    answers = {"npu-smi info": "npu-smi/info-950dt-x4-25.6.rc1.b169.txt"}
    ascend = devices(tmp_path, ASCEND, answers, "0000:01:00.0")
    cards = ascend.discover().devices
    assert [(one.index, one.physical_index) for one in cards] == [(0, 0), (1, 1), (2, 6), (3, 7)]
    assert cards[3].uuid == "ascend-host-npu7-0"
    assert [(share.uuid, share.pid) for share in ascend.measure().shares] == [
        ("ascend-host-npu6-0", 3621066),
        ("ascend-host-npu6-0", 3624823),
        ("ascend-host-npu6-0", 3624824),
    ]


def test_two_ascend_chips_on_one_bus_are_two_devices(tmp_path: Path) -> None:
    ascend = devices(tmp_path, ASCEND, {"npu-smi info": "npu-smi/info-310p3-dual-24.1.rc2.txt"}, "0000:07:00.0")
    assert [one.uuid for one in ascend.discover().devices] == [
        "ascend-host-0000:07:00.0-0",
        "ascend-host-0000:07:00.0-1",
    ]
    assert [one.memory_used_bytes for one in ascend.measure().devices] == [1821 * MIB, 1041 * MIB]


@pytest.mark.contract("A08")
def test_amd_through_amd_smi(tmp_path: Path) -> None:
    static = '{"gpu_data": [{"gpu": 0, "asic": {"market_name": "MI300X"}}, {"gpu": 1, "asic": "N/A"}]}'
    answers = {
        "amd-smi list": "amd-smi/list-6x.json",
        "amd-smi static": static,
        "amd-smi metric": "amd-smi/metric-7x.json",
    }
    amd = devices(tmp_path, AMD, answers, "0000:05:00.0", "0000:26:00.0")
    assert found(amd.discover()) == [
        (0, "0cff74a1-0000-1000-8008-39d81a0e6a77", "MI300X", 196592, 196592 - 284),
        (1, "e1ff74a1-0000-1000-80b5-5a1e1ef9a0a2", "amd", 196592, 0),
    ]
    assert amd.measure().devices == (
        DeviceSample(
            uuid="0cff74a1-0000-1000-8008-39d81a0e6a77",
            utilization=0.12,
            memory_used_bytes=284 * MIB,
            memory_total_bytes=196592 * MIB,
            temperature_c=34.0,
            power_w=132.0,
        ),
        DeviceSample(uuid="e1ff74a1-0000-1000-80b5-5a1e1ef9a0a2", memory_total_bytes=196592 * MIB),
    )


def test_amd_cards_are_numbered_as_engines_count_them(tmp_path: Path) -> None:
    answers = {
        "amd-smi list -e": '[{"gpu": 0, "bdf": "0000:05:00.0", "uuid": "a", "hip_id": 1},'
        ' {"gpu": 1, "bdf": "0000:26:00.0", "uuid": "b", "hip_id": 0}]',
        "amd-smi static": '{"gpu_data": []}',
        "amd-smi metric": "amd-smi/metric-7x.json",
    }
    amd = devices(tmp_path, AMD, answers, "0000:05:00.0", "0000:26:00.0")
    cards = amd.discover().devices
    assert [(one.index, one.physical_index, one.uuid) for one in cards] == [(0, 1, "b"), (1, 0, "a")]
    assert {one.uuid: one.utilization for one in amd.measure().devices} == {"a": 0.12, "b": -1.0}


def test_amd_through_rocm_smi_where_there_is_no_other(tmp_path: Path) -> None:
    json = "rocm-smi/amd-gpu-6.2.4-rocm-smi.json"
    answers = {"rocm-smi --showproductname": json, "rocm-smi --showuse": json}
    amd = devices(tmp_path, AMD, answers, "0000:03:00.0")
    total, used = 17163091968, 11615076352
    (card,) = amd.discover().devices
    assert (card.uuid, card.memory_total_bytes, card.memory_free_bytes) == ("GPU-5c88007d760374f3", total, total - used)
    assert amd.measure().devices[0].power_w == 53.0


@pytest.mark.contract("A08")
def test_metax_joins_list_table_and_errors(tmp_path: Path) -> None:
    answers = {
        "mx-smi": "mx-smi/table-c550-x8-2.1.6.txt",
        "mx-smi -L": "mx-smi/list-c500-2.2.9.txt",
        "mx-smi --count-ecc": "mx-smi/count-ecc-c500-2.2.9.txt",
    }
    cards = devices(tmp_path, METAX, answers, "0000:08:00.0").discover().devices
    assert [one.uuid for one in cards][:3] == [
        "GPU-e702f06b-bbd6-bc06-5196-90a5554a24ba",
        "metax-host-0000:3a:00.0",
        "metax-host-0000:4c:00.0",
    ]
    assert [one.health for one in cards][:3] == [DeviceHealth.OK, DeviceHealth.DEGRADED, DeviceHealth.DEGRADED]


def test_an_unavailable_metax_card_hides_no_other(tmp_path: Path) -> None:
    answers = {"mx-smi -L": "mx-smi/list-c550-unavailable.txt", "mx-smi": "mx-smi/table-c550-x8-2.1.6.txt"}
    first, second, *_ = devices(tmp_path, METAX, answers, "0000:2a:00.0").discover().devices
    assert (first.health, second.health) == (DeviceHealth.OK, DeviceHealth.FAILED)
    assert "Not Available" in second.health_detail


@pytest.mark.contract("A08")
def test_hygon_reads_json_that_is_none(tmp_path: Path) -> None:
    answers = {
        "hy-smi --showproductname": "hy-smi/bw-x2-malformed.txt",
        "hy-smi --showuniqueid": "hy-smi/showuniqueid-x2.json",
        "hy-smi --healthcheck": "hy-smi/healthcheck-x2.txt",
        "hy-smi --showuse": "hy-smi/bw-x2-malformed.txt",
    }
    hygon = devices(tmp_path, HYGON, answers, "0000:01:00.0", "0000:02:00.0")
    discovery = hygon.discover()
    assert found(discovery) == [
        (0, "hcu-0", "BW", 65520, 65520 - 64169),
        (1, "hcu-1", "BW", 65520, 65520 - 64104),
    ]
    assert [one.health for one in discovery.devices] == [DeviceHealth.OK, DeviceHealth.FAILED]
    assert [one.power_w for one in hygon.measure().devices] == [91.0, 84.0]


def test_what_hygons_old_tool_does_not_tell_is_unknown_and_never_free(tmp_path: Path) -> None:
    hygon = devices(tmp_path, HYGON, {"hy-smi": "hy-smi/table-legacy-x2.txt"}, "0000:01:00.0")
    first, _ = hygon.discover().devices
    assert (first.memory_total_bytes, first.memory_free_bytes, first.health) == (0, 0, DeviceHealth.UNKNOWN)
    assert first.health_detail == "how much memory it has is not told"
    assert [(one.utilization, one.memory_used_bytes, one.memory_total_bytes) for one in hygon.measure().devices] == [
        (0.84, -1, -1),
        (0.0, -1, -1),
    ]


@pytest.mark.contract("A08")
def test_cambricon_cards_and_masked_ones(tmp_path: Path) -> None:
    addresses = ("0000:13:00.0", "0000:16:00.0")
    cards = devices(tmp_path, CAMBRICON, {"cnmon": "cnmon/table-mlu370-x8-x2-5.10.22.txt"}, *addresses)
    assert found(cards.discover()) == [
        (0, "cambricon-host-0000:13:00.0", "MLU370-X8", 20638, 20638),
        (1, "cambricon-host-0000:16:00.0", "MLU370-X8", 20638, 20638),
    ]
    masked = devices(tmp_path, CAMBRICON, {"cnmon": "cnmon/table-mlu-masked-x8-5.10.31.txt"})
    assert {(one.memory_total_bytes, one.health) for one in masked.discover().devices} == {(0, DeviceHealth.UNKNOWN)}


@pytest.mark.contract("A08")
def test_moore_threads_with_more_used_than_there_is(tmp_path: Path) -> None:
    answers = {"mthreads-gmi": "mthreads-gmi/table-s4000-used-gt-total-1.12.2.txt"}
    cards = devices(tmp_path, MOORE_THREADS, answers, "0000:08:00.0")
    (card,) = cards.discover().devices
    assert (card.memory_free_bytes, card.health) == (0, DeviceHealth.DEGRADED)
    assert card.health_detail == f"it tells of {44302 * MIB} bytes used of {32768 * MIB}"


@pytest.mark.contract("A08")
@pytest.mark.parametrize(
    ("tool", "answers", "expected"),
    [
        (
            ILUVATAR,
            {
                "ixsmi --query-gpu=index,name,memory.total,memory.used,utilization.gpu,temperature.gpu": (
                    "ixsmi/query-gpu-mrv50-mrv100.txt"
                ),
                "ixsmi --query-gpu=index,uuid,pci.bus_id": "0, GPU-a, 00000000:01:00.0\n1, GPU-b, 00000000:02:00.0",
            },
            [
                (0, "GPU-a", "Iluvatar MR-V50", 16384, 16384 - 116),
                (1, "GPU-b", "Iluvatar MR-V100", 32768, 32768 - 27996),
            ],
        ),
        (
            T_HEAD,
            {
                "ppu-smi --query-ppu=index,uuid,name": "ppu-smi/query-ppu-zw810e-x2.txt",
                "ppu-smi --query-ppu=index,memory.total,memory.used,pci.bus_id": (
                    "0, 98304 MiB, 91349 MiB, 00000000:01:00.0\n1, 98304 MiB, 248 MiB, 00000000:02:00.0"
                ),
            },
            [(0, "GPU-abc", "PPU-ZW810E", 98304, 98304 - 91349), (1, "PPU-def", "PPU-ZW810E", 98304, 98304 - 248)],
        ),
    ],
)
def test_tools_made_after_nvidias(
    tmp_path: Path, tool: Tool, answers: Mapping[str, str], expected: list[tuple[int, str, str, int, int]]
) -> None:
    assert found(devices(tmp_path, tool, answers, "0000:01:00.0", "0000:02:00.0").discover()) == expected


@pytest.mark.contract("A08")
def test_biren_is_found_by_its_device_files(tmp_path: Path) -> None:
    answers = {
        "brsmi gpu --query-gpu=index,memory.used,memory.free": "0, 1024, 64512\n1, 2048, 63488",
        "brsmi gpu --query-gpu=index,name": "0, BR104P\n1, BR104P",
    }
    biren = devices(tmp_path, BIREN, answers)
    assert biren.discover() == Discovery()
    (tmp_path / "dev" / "biren").mkdir(parents=True)
    (tmp_path / "dev" / "biren" / "card_0").touch()
    assert found(biren.discover()) == [
        (0, "biren-host-card0", "BR104P", 65536, 64512),
        (1, "biren-host-card1", "BR104P", 65536, 63488),
    ]


@pytest.mark.contract("A08")
def test_intel_tells_memory_of_one_device_at_a_time(tmp_path: Path) -> None:
    answers = {
        "xpu-smi discovery -j": "xpu-smi/discovery.json",
        "xpu-smi discovery -d 0": "xpu-smi/discovery-device-table.txt",
        "xpu-smi stats -d 0": "xpu-smi/stats-table.txt",
    }
    intel = devices(tmp_path, INTEL, answers, "0000:4d:00.0", pci_class="038000")
    uuid = "00000000-0000-0000-0000-020a00008086"
    assert found(intel.discover()) == [(0, uuid, "Intel(R) Graphics [0x020a]", 32768, 32744)]
    assert intel.measure().devices == (
        DeviceSample(
            uuid=uuid,
            utilization=0.0,
            memory_used_bytes=24 * MIB,
            memory_total_bytes=32768 * MIB,
            temperature_c=41.0,
            power_w=15.0,
        ),
    )


def test_nvidia_smi_stands_in_with_mig_instances_as_devices(tmp_path: Path) -> None:
    gpu = "0, GPU-x, NVIDIA H100, 00000000:00:09.0, 575.57.08, 81920 MiB, 3703 MiB, [N/A], 38, 71.0 W, 0"
    answers = {
        f"nvidia-smi {_query(NVIDIA_SMI)}": gpu,
        "nvidia-smi -L": "GPU 0: NVIDIA H100 (UUID: GPU-x)\n  MIG 3g.40gb     Device  0: (UUID: MIG-a)\n",
        "nvidia-smi -q -x": "nvidia-smi/q-x-mig-trimmed-closed.txt",
    }
    smi = devices(tmp_path, NVIDIA_SMI, answers, "0000:00:09.0", pci_class="030200")
    (instance,) = smi.discover().devices
    assert (instance.uuid, instance.parent_uuid, instance.physical_index) == ("MIG-a", "GPU-x", 1)
    assert (instance.memory_total_bytes, instance.memory_free_bytes) == (40448 * MIB, (40448 - 298) * MIB)
    assert instance.model == "NVIDIA H100 MIG 3g.40gb"


def _query(tool: Tool) -> str:
    asked: list[str] = []

    def ask(*arguments: str, name: str = "", is_optional: bool = False) -> str:
        asked.append(" ".join(arguments))
        return ""

    tool.inventory(ask)
    return asked[0]

"""npu-smi's tables: every layout from 20.2 to 25.7, with chips, without, and with shifted columns."""

import pytest

from roundhouse_common.contracts.node import DeviceHealth
from roundhouse_node_agent.devices.parsers.npu_smi import (
    Chip,
    ChipProcess,
    MappedChip,
    parse_health,
    parse_info,
    parse_mapping,
)
from tests.support.device_samples import MIB, sample

OK = DeviceHealth.OK


def info(name: str) -> tuple[Chip, ...]:
    return parse_info(sample(f"npu-smi/{name}.txt")).chips


def rows(name: str) -> list[tuple[object, ...]]:
    return [
        (
            chip.npu,
            chip.chip,
            chip.logical,
            chip.physical,
            chip.pci_address,
            chip.memory_used_bytes and chip.memory_used_bytes // MIB,
            chip.memory_total_bytes and chip.memory_total_bytes // MIB,
            chip.power_w,
            chip.temperature_c,
        )
        for chip in info(name)
    ]


@pytest.mark.contract("A08")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("info-310b4-alarm-23.0.0", [(0, 0, 0, None, "", 3628, 15609, 0.0, 65.0)]),
        ("info-310p3-25.2.3", [(224, 0, 0, None, "0000:04:00.0", 1263, 44280, None, 71.0)]),
        ("info-310p3-25.3.rc1", [(6, 0, 0, None, "0000:84:00.0", 1839, 21525, None, 50.0)]),
        (
            "info-310p3-dual-24.1.rc2",
            [
                (1792, 0, 0, None, "0000:07:00.0", 1821, 44280, None, 36.0),
                (1792, 1, 1, None, "0000:07:00.0", 1041, 43693, None, 36.0),
            ],
        ),
        (
            "info-310p3-x2-25.5.1",
            [
                (4, 0, 0, None, "0000:81:00.0", 1848, 21525, None, 37.0),
                (5, 0, 1, None, "0000:85:00.0", 1849, 21525, None, 40.0),
            ],
        ),
        ("info-910b2c-24.1.rc2", [(0, 0, None, None, "0000:da:00.0", 3392, 65536, 90.5, 53.0)]),
        (
            "info-910b2c-x2-23.0.2.1",
            [
                (0, 0, None, None, "0000:5a:00.0", 20701, 65536, 88.6, 51.0),
                (1, 0, None, None, "0000:19:00.0", 20687, 65536, 99.6, 50.0),
            ],
        ),
        (
            "info-ascend910-dual-25.2.0",
            [
                (0, 0, None, 0, "0000:9c:00.0", 3133, 65536, 162.8, 37.0),
                (0, 1, None, 1, "0000:9e:00.0", 2876, 65536, None, 37.0),
                (1, 0, None, 2, "0000:37:00.0", 3116, 65536, 167.1, 38.0),
                (1, 1, None, 3, "0000:39:00.0", 10568, 65536, None, 38.0),
            ],
        ),
        (
            "info-950dt-x4-25.6.rc1.b169",
            [
                (0, 0, None, None, "", 6632, 86016, 380.7, 44.0),
                (1, 0, None, None, "", 6711, 86016, 380.3, 51.0),
                (6, 0, None, None, "", 66466, 86016, 381.1, 50.0),
                (7, 0, None, None, "", 66461, 86016, 379.5, 46.0),
            ],
        ),
        (
            "info-950pr-x7-25.7.rc1",
            [
                (0, 0, None, None, "0000:01:00.0", 6620, 131072, 187.1, 46.0),
                (1, 0, None, None, "0000:11:00.0", 6056, 131072, 197.9, 48.0),
                (2, 0, None, None, "0000:61:00.0", 5413, 131072, 188.7, 46.0),
                (3, 0, None, None, "0000:71:00.0", 5414, 131072, 191.3, 43.0),
                (4, 0, None, None, "0000:81:00.0", 5415, 131072, 196.6, 50.0),
                (5, 0, None, None, "0000:91:00.0", 10569, 131072, 195.2, 44.0),
                (6, 0, None, None, "0000:f1:00.0", 5411, 131072, 195.8, 46.0),
            ],
        ),
        (
            "atlas-800-inference-server_model-3000_version-1.0.0-1.0.10",
            [
                (215, 0, 0, None, "0000:da:00.0", 2703, 8192, 12.8, 56.0),
                (215, 1, 1, None, "0000:dc:00.0", 2703, 8192, 12.8, 57.0),
                (215, 2, 2, None, "0000:dd:00.0", 2703, 8192, 12.8, 57.0),
                (215, 3, 3, None, "0000:db:00.0", 2703, 8192, 12.8, 55.0),
            ],
        ),
        (
            "atlas-800-inference-server_model-3000_version-1.0.11-1.0.15",
            [
                (6, 0, 3, None, "0000:89:00.0", 2703, 8192, 12.8, 73.0),
                (6, 1, 4, None, "0000:8a:00.0", 2867, 8192, 12.8, 74.0),
                (6, 2, 5, None, "0000:8b:00.0", 2867, 8192, 12.8, 70.0),
                (6, 3, 6, None, "0000:8c:00.0", 2867, 8192, 12.8, 65.0),
            ],
        ),
    ],
)
def test_each_layout_gives_the_chips_with_their_own_ids(name: str, expected: list[tuple[object, ...]]) -> None:
    assert rows(name) == expected


@pytest.mark.parametrize(
    ("name", "power", "buses"),
    [
        ("24.1.RC2", [70.5, 71.2, 69.0, 206.9, 70.2, 64.9, 69.4, 203.2], "c1 81 41 01 c2 82 42 02"),
        ("6.0.RC1", [67.2, 63.3, 64.8, 191.7, 66.4, 62.7, 64.5, 191.4], "61 db b2 3e 60 da b1 3d"),
    ],
)
def test_of_two_memories_the_devices_own_counts(name: str, power: list[float], buses: str) -> None:
    chips = info(f"atlas-800-training-server_model-9010_version-{name}")
    assert [chip.power_w for chip in chips] == power
    assert [chip.pci_address for chip in chips] == [f"0000:{bus}:00.0" for bus in buses.split()]
    assert {(chip.memory_used_bytes, chip.memory_total_bytes) for chip in chips} == {(0, 32768 * MIB)}


@pytest.mark.parametrize(
    ("name", "names", "health"),
    [
        ("info-310b4-alarm-23.0.0", ["310B4"], [DeviceHealth.DEGRADED]),
        ("info-950dt-x4-25.6.rc1.b169", ["Ascend950DT"] * 4, [OK] * 4),
        (
            "atlas-800-training-server_model-9010_version-24.1.RC2",
            ["xxx"] * 8,
            [OK, OK, OK, DeviceHealth.DEGRADED, OK, OK, OK, DeviceHealth.DEGRADED],
        ),
    ],
)
def test_names_and_health(name: str, names: list[str], health: list[DeviceHealth]) -> None:
    assert [chip.name for chip in info(name)] == names
    assert [chip.health for chip in info(name)] == health


def test_use_is_a_share() -> None:
    assert [chip.utilization for chip in info("info-950dt-x4-25.6.rc1.b169")] == [0.0, 0.05, 0.0, 0.0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("info-910b2c-x2-23.0.2.1", [ChipProcess(0, 0, 124528, 17400 * MIB)]),
        ("info-ascend910-dual-25.2.0", [ChipProcess(1, 1, 990711, 7746 * MIB)]),
        ("info-950pr-x7-25.7.rc1", [ChipProcess(0, 0, 846718, 332 * MIB), ChipProcess(1, 0, 2430352, 544 * MIB)]),
        (
            "info-950dt-x4-25.6.rc1.b169",
            [
                ChipProcess(6, 0, 3621066, 40000 * MIB),
                ChipProcess(6, 0, 3624823, 61140 * MIB),
                ChipProcess(6, 0, 3624824, 20000 * MIB),
            ],
        ),
        ("info-310p3-25.3.rc1", []),
    ],
)
def test_processes_are_told_from_devices(name: str, expected: list[ChipProcess]) -> None:
    assert list(parse_info(sample(f"npu-smi/{name}.txt")).processes) == expected


def test_the_processes_of_a_full_machine_are_all_read() -> None:
    found = parse_info(sample("npu-smi/atlas-800-training-server_model-9010_version-24.1.RC2.txt")).processes
    assert len(found) == 32
    assert found[0] == ChipProcess(0, 0, 37656, 686 * MIB)
    assert found[-1] == ChipProcess(7, 0, 37663, 686 * MIB)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mapping-logic-id-mcu", [MappedChip(4, 0, 2), MappedChip(4, 1, 3)]),
        ("mapping-no-logic-id", []),
        ("mapping-phy-id-950pr", [MappedChip(7, 0, None, 5)]),
        (
            "atlas-800-inference-server_model-3000_version-1.0.0-1.0.10_mapping",
            [MappedChip(215, chip, chip) for chip in range(4)],
        ),
        (
            "atlas-800-inference-server_model-3000_version-1.0.11-1.0.15_mapping",
            [MappedChip(6, chip, chip) for chip in range(4)],
        ),
        (
            "atlas-800-training-server_model-9010_version-24.1.RC2_mapping",
            [MappedChip(npu, 0, npu) for npu in range(8)],
        ),
        (
            "atlas-800-training-server_model-9010_version-6.0.RC1_mapping",
            [MappedChip(npu, 0, npu) for npu in range(8)],
        ),
    ],
)
def test_logical_ids_are_those_of_the_mapping(name: str, expected: list[MappedChip]) -> None:
    assert list(parse_mapping(sample(f"npu-smi/{name}.txt"))) == expected


def test_one_bad_chip_makes_a_board_unhealthy() -> None:
    assert parse_health(sample("npu-smi/health-ok-and-alarm.txt")) is DeviceHealth.DEGRADED
    assert parse_health("Health : OK") is OK
    assert parse_health("Health : ?") is DeviceHealth.UNKNOWN
    assert parse_health("") is DeviceHealth.UNKNOWN


def test_a_row_that_is_cut_costs_its_own_chip_only() -> None:
    whole = sample("npu-smi/info-310p3-x2-25.5.1.txt").splitlines()
    second_row_of_the_first = next(at for at, line in enumerate(whole) if "0000:81:00.0" in line)
    cut = "\n".join(line for at, line in enumerate(whole) if at != second_row_of_the_first)
    assert [chip.npu for chip in parse_info(cut).chips] == [5]

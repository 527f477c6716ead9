"""rocm-smi, hy-smi and amd-smi: several versions' keys, JSON that is none, and placeholders."""

import pytest

from roundhouse_common.contracts.node import DeviceHealth
from roundhouse_node_agent.devices.parsers.amd_smi import parse_amd_smi
from roundhouse_node_agent.devices.parsers.card import Card
from roundhouse_node_agent.devices.parsers.lenient_json import read_json
from roundhouse_node_agent.devices.parsers.rocm_smi import parse_cards, parse_healthcheck, parse_table
from tests.support.device_samples import MIB, sample


@pytest.mark.contract("A08")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "rocm-smi/amd-gpu-6.2.4-rocm-smi.json",
            [
                Card(
                    index=0,
                    uuid="GPU-5c88007d760374f3",
                    model="Navi 32 [Radeon RX 7700 XT / 7800 XT]",
                    memory_total_bytes=17163091968,
                    memory_used_bytes=11615076352,
                    utilization=1.0,
                    temperature_c=51.0,
                    power_w=53.0,
                )
            ],
        ),
        (
            "rocm-smi/hygon-gpu-24.04.3-rocm-smi.json",
            [
                Card(
                    index=0,
                    uuid="GPU-7100fa8866904061",
                    model="DCU xxxx",
                    memory_total_bytes=65520 * MIB,
                    memory_used_bytes=2 * MIB,
                    utilization=0.0,
                    temperature_c=39.0,
                    power_w=80.0,
                )
            ],
        ),
        (
            "hy-smi/bw-x2-malformed.txt",
            [
                Card(
                    index=0,
                    model="BW",
                    memory_total_bytes=65520 * MIB,
                    memory_used_bytes=64169 * MIB,
                    utilization=0.0,
                    temperature_c=57.0,
                    power_w=91.0,
                ),
                Card(
                    index=1,
                    model="BW",
                    memory_total_bytes=65520 * MIB,
                    memory_used_bytes=64104 * MIB,
                    utilization=0.0,
                    temperature_c=54.0,
                    power_w=84.0,
                ),
            ],
        ),
        (
            "hy-smi/hcu-hyhal-malformed.txt",
            [
                Card(
                    index=0,
                    memory_total_bytes=65520 * MIB,
                    memory_used_bytes=1166 * MIB,
                    utilization=0.0,
                    power_w=80.0,
                )
            ],
        ),
        (
            "hy-smi/malformed-with-units.txt",
            [
                Card(
                    index=0,
                    memory_total_bytes=34359738368,
                    memory_used_bytes=6870269952,
                    utilization=0.0,
                    temperature_c=41.0,
                    power_w=80.0,
                ),
                Card(index=1, utilization=0.07),
            ],
        ),
        (
            "hy-smi/dcu-x2.json",
            [
                Card(
                    index=0,
                    memory_total_bytes=34359738368,
                    memory_used_bytes=8589934592,
                    utilization=0.92,
                    temperature_c=54.0,
                    power_w=132.0,
                ),
                Card(index=1, utilization=0.0),
            ],
        ),
        ("hy-smi/showuniqueid-x2.json", [Card(index=0, uuid="hcu-0"), Card(index=1, uuid="hcu-1")]),
        ("hy-smi/showpids-x2.json", [Card(index=0), Card(index=1)]),
    ],
)
def test_cards_of_json_or_what_was_meant_to_be(name: str, expected: list[Card]) -> None:
    assert list(parse_cards(sample(name))) == expected


def test_the_old_table_tells_no_memory() -> None:
    assert parse_table(sample("hy-smi/table-legacy-x2.txt")) == (
        Card(index=0, utilization=0.84, temperature_c=46.0, power_w=32.0),
        Card(index=1, utilization=0.0, temperature_c=45.0, power_w=30.0),
    )


def test_the_health_check_names_the_bad_card() -> None:
    assert parse_healthcheck(sample("hy-smi/healthcheck-x2.txt")) == (
        Card(index=0, pci_address="0000:01:00.0"),
        Card(
            index=1,
            pci_address="0000:02:00.0",
            health=DeviceHealth.FAILED,
            health_detail="its health check says Critical",
        ),
    )


@pytest.mark.contract("A08")
@pytest.mark.parametrize(
    ("name", "driver"),
    [
        ("static-6x-flat", "6.10.5"),
        ("static-6x-both-version-keys", "6.10.5"),
        ("static-7x-wrapped-uppercase", "6.12.12"),
        ("static-6x-driver-version-key", "6.8.5"),
        ("static-6x-no-driver", None),
        ("static-6x-driver-is-string", "amdgpu 6.8.5"),
        ("static-6x-driver-na", None),
        ("static-6x-version-na-fallback", "6.8.5"),
    ],
)
def test_amd_smi_static_of_both_generations(name: str, driver: str | None) -> None:
    expected = Card(index=0, model="MI300X", pci_address="0000:05:00.0", driver=driver, memory_total_bytes=196592 * MIB)
    assert parse_amd_smi(sample(f"amd-smi/{name}.json")) == (expected,)


def test_amd_smi_metric_and_list() -> None:
    assert parse_amd_smi(sample("amd-smi/metric-7x.json")) == (
        Card(
            index=0,
            memory_total_bytes=196592 * MIB,
            memory_used_bytes=284 * MIB,
            utilization=0.12,
            temperature_c=34.0,
            power_w=132.0,
        ),
        Card(index=1, memory_total_bytes=196592 * MIB),
    )
    assert parse_amd_smi(sample("amd-smi/list-6x.json")) == (
        Card(index=0, uuid="0cff74a1-0000-1000-8008-39d81a0e6a77", pci_address="0000:05:00.0"),
        Card(index=1, uuid="e1ff74a1-0000-1000-80b5-5a1e1ef9a0a2", pci_address="0000:26:00.0"),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('WARNING: old\n{"card0": {"a": 1}}', {"card0": {"a": 1}}),
        ('{"a": "1""b": "2"}', {"a": "1", "b": "2"}),
        ('{"a": 41.0C "b": [1 2, "x" {"c": 3}]', {"a": "41.0C", "b": ["1", "2", "x", {"c": "3"}]}),
        ('{"a": {"b": ', {"a": {"b": None}}),
        ("{" * 500, {}),
        ('{"a":' * 500, None),
        ("no json", None),
        ("", None),
    ],
)
def test_what_can_be_read_of_broken_json_is(text: str, expected: object) -> None:
    found = read_json(text)
    assert found == expected or (expected is None and isinstance(found, dict))

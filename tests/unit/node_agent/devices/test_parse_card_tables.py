"""The tables of mx-smi, cnmon and mthreads-gmi."""

import pytest

from roundhouse_common.contracts.node import DeviceHealth
from roundhouse_node_agent.devices.parsers import cnmon, mthreads_gmi, mx_smi
from roundhouse_node_agent.devices.parsers.card import Card
from tests.support.device_samples import MIB, sample


@pytest.mark.contract("A08")
def test_metax_table_with_a_state() -> None:
    assert mx_smi.parse_table(sample("mx-smi/table-c500-2.2.4.txt")) == (
        Card(
            index=0,
            model="MetaX C500",
            pci_address="0000:01:00.0",
            driver="2.14.8",
            memory_used_bytes=858 * MIB,
            memory_total_bytes=65536 * MIB,
            utilization=0.0,
            temperature_c=45.0,
            power_w=48.0,
        ),
    )


def test_metax_table_of_older_tools() -> None:
    found = mx_smi.parse_table(sample("mx-smi/table-c550-x8-2.1.6.txt"))
    addresses = [f"0000:{bus}:00.0" for bus in ["2a", "3a", "4c", "5c", "aa", "ba", "ca", "da"]]
    assert [card.pci_address for card in found] == addresses
    assert [card.index for card in found] == list(range(8))
    assert [card.power_w for card in found] == [44.0, 46.0, 47.0, 46.0, 46.0, 47.0, 46.0, 47.0]
    assert [card.temperature_c for card in found] == [31.0] * 4 + [30.0] * 4
    assert {(card.model, card.memory_used_bytes, card.memory_total_bytes, card.health) for card in found} == {
        ("MXC550", 810 * MIB, 65536 * MIB, DeviceHealth.OK)
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "list-c500-2.2.9",
            [
                Card(
                    index=0,
                    uuid="GPU-e702f06b-bbd6-bc06-5196-90a5554a24ba",
                    model="MXC500",
                    pci_address="0000:08:00.0",
                ),
                Card(
                    index=7,
                    uuid="GPU-0e715b45-bcef-1500-e2db-752724095700",
                    model="MXC500",
                    pci_address="0000:3c:00.0",
                ),
            ],
        ),
        (
            "list-c550-2.3.1",
            [Card(index=0, uuid="GPU-abc-123", model="MXC550", pci_address="0000:2b:00.0")],
        ),
        (
            "list-c550-unavailable",
            [
                Card(index=0, uuid="GPU-abc", model="MXC550"),
                Card(
                    index=1,
                    model="MXC550",
                    health=DeviceHealth.FAILED,
                    health_detail="mx-smi says it is Not Available(MetaX Sysfs File Unaccessible)",
                ),
            ],
        ),
    ],
)
def test_metax_list_tells_who_is_available(name: str, expected: list[Card]) -> None:
    assert list(mx_smi.parse_list(sample(f"mx-smi/{name}.txt"))) == expected


def test_metax_temperatures_and_retired_pages() -> None:
    hot = mx_smi.parse_temperatures(sample("mx-smi/show-temperature-c500-2.2.9.txt"))
    assert [(card.index, card.temperature_c) for card in hot] == [(0, 39.0), (1, 39.25)]
    ecc = mx_smi.parse_ecc(sample("mx-smi/count-ecc-c500-2.2.9.txt"))
    assert [(card.index, card.health) for card in ecc] == [
        (0, DeviceHealth.OK),
        (1, DeviceHealth.DEGRADED),
        (2, DeviceHealth.DEGRADED),
    ]
    assert ecc[1].health_detail == "4 of its memory pages were retired for uncorrectable errors"


@pytest.mark.contract("A08")
@pytest.mark.parametrize(
    ("name", "model", "total_mib", "watts", "celsius", "buses"),
    [
        ("mlu370-x4-x2-5.10.10", "MLU370-X4", 23308, [27.0, 27.0], [41.0, 41.0], "1b 36"),
        ("mlu370-x8-x2-5.10.13", "MLU370-X8", 23374, [106.0, 106.0], [32.0, 39.0], "39 3d"),
        ("mlu370-x8-x2-5.10.22", "MLU370-X8", 20638, [107.0, 107.0], [28.0, 32.0], "13 16"),
        (
            "mlu-masked-x8-5.10.31",
            None,
            None,
            [105.0, 100.0, 100.0, 109.0, 107.0, 105.0, 102.0, 105.0],
            [35.0, 34.0, 35.0, 34.0, 34.0, 33.0, 36.0, 33.0],
            "4f 53 6f 73 af b3 cf d3",
        ),
    ],
)
def test_cambricon_tables_also_shifted_and_masked(
    name: str, model: str | None, total_mib: int | None, watts: list[float], celsius: list[float], buses: str
) -> None:
    driver = f"v{name.rsplit('-', 1)[1]}"
    expected = [
        Card(
            index=index,
            model=model,
            pci_address=f"0000:{bus}:00.0",
            driver=driver,
            memory_used_bytes=0,
            memory_total_bytes=None if total_mib is None else total_mib * MIB,
            utilization=0.0,
            temperature_c=celsius[index],
            power_w=watts[index],
        )
        for index, bus in enumerate(buses.split())
    ]
    assert list(cnmon.parse_table(sample(f"cnmon/table-{name}.txt"))) == expected


@pytest.mark.contract("A08")
def test_moore_threads_tables() -> None:
    assert mthreads_gmi.parse_table(sample("mthreads-gmi/table-s80-1.14.0.txt")) == (
        Card(
            index=0,
            model="MTT S80",
            pci_address="0000:04:00.0",
            driver="2.7.0",
            memory_used_bytes=2 * MIB,
            memory_total_bytes=16384 * MIB,
            utilization=0.0,
            temperature_c=49.0,
        ),
    )


def test_moore_threads_may_use_more_than_it_says_it_has() -> None:
    (card,) = mthreads_gmi.parse_table(sample("mthreads-gmi/table-s4000-used-gt-total-1.12.2.txt"))
    assert (card.memory_used_bytes, card.memory_total_bytes) == (44302 * MIB, 32768 * MIB)
    assert (card.utilization, card.temperature_c, card.driver) == (0.88, 65.0, "1.2.0")

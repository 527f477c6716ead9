"""Whatever a tool prints, no parser raises, and no figure is negative or beyond what can be."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from functools import partial

import pytest

from roundhouse_common.contracts.node import DeviceHealth
from roundhouse_node_agent.devices.parsers import (
    amd_smi,
    cnmon,
    kernel_log,
    mthreads_gmi,
    mx_smi,
    npu_smi,
    nvidia_smi,
    rocm_smi,
    smi_csv,
    xpu_smi,
)
from roundhouse_node_agent.devices.parsers.card import Card, merged
from roundhouse_node_agent.devices.parsers.figures import address_of, bytes_of, number_of, share_of
from tests.support.device_samples import DEVICE_SAMPLES

COLUMNS = ("index", "uuid", "name", "memory.total", "memory.used", "utilization.gpu", "temperature.gpu")
PARSERS: dict[str, Callable[[str], object]] = {
    "amd": amd_smi.parse_amd_smi,
    "cnmon": cnmon.parse_table,
    "csv": partial(smi_csv.parse_query, columns=COLUMNS),
    "apps": smi_csv.parse_compute_apps,
    "hy health": rocm_smi.parse_healthcheck,
    "hy table": rocm_smi.parse_table,
    "metax ecc": mx_smi.parse_ecc,
    "metax list": mx_smi.parse_list,
    "metax table": mx_smi.parse_table,
    "metax temperatures": mx_smi.parse_temperatures,
    "moore threads": mthreads_gmi.parse_table,
    "npu info": npu_smi.parse_info,
    "npu health": npu_smi.parse_health,
    "npu mapping": npu_smi.parse_mapping,
    "nvidia instances": nvidia_smi.parse_instances,
    "nvidia list": nvidia_smi.parse_list,
    "nvidia xml": nvidia_smi.parse_xml,
    "rocm": rocm_smi.parse_cards,
    "xids": lambda text: kernel_log.parse_xids(text.splitlines()),
    "xpu": xpu_smi.parse_discovery,
    "xpu stats": xpu_smi.parse_stats,
    "xpu table": xpu_smi.parse_discovery_table,
}
SAMPLES = sorted(path for path in DEVICE_SAMPLES.rglob("*") if path.suffix in (".txt", ".json"))


@pytest.mark.parametrize("name", PARSERS)
def test_no_parser_fails_on_any_sample_whole_or_damaged(name: str) -> None:
    assert len(SAMPLES) > 60
    for path in SAMPLES:
        text = path.read_text(encoding="utf-8")
        for variant in (text, *_damaged(text, random.Random(path.name))):
            for number in _numbers(PARSERS[name](variant)):
                assert 0 <= number < 2**60


def _damaged(text: str, rng: random.Random) -> Iterator[str]:
    for _ in range(6):
        at = rng.randrange(len(text))
        yield text[:at]
        yield text[:at] + rng.choice('|{}[]",:/\n\t-9') + text[at + 1 :]
        lines = text.splitlines()
        rng.shuffle(lines)
        yield "\n".join(lines)


def _numbers(value: object) -> Iterator[float]:
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _numbers(getattr(value, field.name))
    elif isinstance(value, dict):
        for below in value.values():
            yield from _numbers(below)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for below in value:
            yield from _numbers(below)
    elif isinstance(value, int | float):
        yield value


@pytest.mark.parametrize("text", ["N/A", "[Not Supported]", "-", "NA", "", "xxxxx MiB", "-5", "nan", "inf", "9" * 40])
def test_what_is_no_figure_is_unknown(text: str) -> None:
    assert (number_of(text), share_of(text), bytes_of(text)) == (None, None, None)


def test_a_share_above_all_is_unknown() -> None:
    assert share_of("65535%") is None
    assert share_of("100 %") == 1.0


@pytest.mark.parametrize(
    ("text", "size"),
    [("858", 858 << 20), ("2MiB", 2 << 20), ("32768.00 MiB", 1 << 35), ("196592 MB", 196592 << 20), ("3 KiB", 3072)],
)
def test_sizes(text: str, size: int) -> None:
    assert bytes_of(text) == size


def test_addresses_are_written_as_the_kernel_does() -> None:
    assert address_of("00000000:0E:00.0") == "0000:0e:00.0"
    assert address_of("0e:00.0") == "0000:0e:00.0"
    assert address_of("NA") == ""


def test_answers_are_joined_by_index_and_the_worst_health_is_kept() -> None:
    first = (Card(index=1, model="A"), Card(index=0, memory_used_bytes=0))
    second = (Card(index=0, memory_used_bytes=5, uuid="u", health=DeviceHealth.FAILED, health_detail="hot"),)
    assert merged(first, second) == (
        Card(index=0, memory_used_bytes=0, uuid="u", health=DeviceHealth.FAILED, health_detail="hot"),
        Card(index=1, model="A"),
    )

"""What the fleet's page and a node's table of devices are made of, with what tools of several vendors print."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from roundhouse_common.contracts.node import DeviceInfo
from roundhouse_console.domain.nodes import bar_tone, condition_of, device_rows, regions_of
from roundhouse_node_agent.devices.cambricon import CAMBRICON
from roundhouse_node_agent.devices.metax import METAX
from roundhouse_node_agent.devices.moore_threads import MOORE_THREADS
from roundhouse_scheduler.domain.condition import Condition
from tests.support.vendor_devices import devices

_WORDS = {"none": "No region", "cpu": "CPU", "memory": "Memory", "replicas": "Replicas"}
_GIB = 1024**3
_SENT_BYTES = 600_000
"""What a map of 200 nodes with 1,600 devices may take on its way to a browser, before it is compressed."""

Found = dict[str, Any]
"""An object as a service sends it. Any: its shape is the service's."""


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> list[Found]:
    """Devices of three vendors: some faulty, some whose memory nobody may see, one with more used than it has."""
    metax = {
        "mx-smi": "mx-smi/table-c550-x8-2.1.6.txt",
        "mx-smi -L": "mx-smi/list-c500-2.2.9.txt",
        "mx-smi --count-ecc": "mx-smi/count-ecc-c500-2.2.9.txt",
    }
    moore = {"mthreads-gmi": "mthreads-gmi/table-s4000-used-gt-total-1.12.2.txt"}
    tools = (
        (METAX, metax, "0000:08:00.0"),
        (CAMBRICON, {"cnmon": "cnmon/table-mlu-masked-x8-5.10.31.txt"}, "0000:13:00.0"),
        (MOORE_THREADS, moore, "0000:09:00.0"),
    )
    made: list[DeviceInfo] = []
    for vendor, answers, address in tools:
        directory: Path = tmp_path_factory.mktemp("vendor")
        made += devices(directory, vendor, answers, address).discover().devices
    return [_view(one) for one in made]


def _view(one: DeviceInfo) -> Found:
    found: Found = msgspec.to_builtins(one)
    return {"claimed_memory_bytes": one.memory_total_bytes // 4, "quarantine": None, "health_detail": "", **found}


def _node(number: int, own: list[Found], **more: object) -> Found:
    return {
        "id": f"nod_{number:032x}",
        "hostname": f"gpu-{number:03d}",
        "condition": "ready",
        "why": "takes replicas",
        "region": ("eu", "us", "")[number % 3],
        "cpu_cores": 128,
        "arch": "x86_64",
        "memory_total_bytes": 1024 * _GIB,
        "memory_free_bytes": 1000 * _GIB,
        "devices": own,
        **more,
    }


def _sample(own: list[Found]) -> Found:
    measured = [
        {"uuid": one["uuid"], "memory_used_bytes": 2 * one["memory_total_bytes"] + 1, "utilization": 0.5} for one in own
    ]
    return {
        "memory_used_bytes": 900 * _GIB,
        "cpu_cores": 128.0,
        "cpu_user": 32.0,
        "cpu_system": 32.0,
        "devices": measured,
    }


def _eight(cards: list[Found], number: int) -> list[Found]:
    chosen = [cards[(number + place) % len(cards)] for place in range(8)]
    return [{**one, "uuid": f"{one['uuid']}-{number}-{place}", "index": place} for place, one in enumerate(chosen)]


@pytest.mark.contract("A02")
def test_a_map_of_two_hundred_nodes_of_several_vendors_has_every_device_and_stays_small(cards: list[Found]) -> None:
    nodes = [_node(number, _eight(cards, number)) for number in range(200)]
    now = {one["id"]: _sample(one["devices"]) for one in nodes}
    regions = regions_of(nodes, now, _WORDS)
    assert [(one["title"], len(one["nodes"])) for one in regions] == [("No region", 66), ("eu", 67), ("us", 67)]
    cells = [cell for region in regions for node in region["nodes"] for cell in node["devices"]]
    assert len(cells) == len({one["id"] for one in cells}) == 1600
    assert all(0.0 <= one["share"] <= 1.0 for one in cells)
    assert len(json.dumps(regions)) < _SENT_BYTES


def test_a_node_without_samples_shows_what_the_scheduler_knows(cards: list[Found]) -> None:
    ((node,),) = [one["nodes"] for one in regions_of([_node(0, _eight(cards, 0))], {}, _WORDS)]
    assert [one["name"] for one in node["bars"]] == ["Memory"]
    assert node["bars"][0]["text"] == "24 GiB"


def test_a_node_with_samples_shows_how_busy_it_is(cards: list[Found]) -> None:
    own = _eight(cards, 0)
    ((node,),) = [one["nodes"] for one in regions_of([_node(0, own)], {_node(0, own)["id"]: _sample(own)}, _WORDS)]
    assert [(one["name"], one["text"], one["tone"]) for one in node["bars"]] == [
        ("CPU", "50 %", "good"),
        ("Memory", "900 GiB", "warn"),
    ]


def test_rows_of_devices_tell_faults_quarantine_and_unknown_memory(cards: list[Found]) -> None:
    kept_out = {"reason": "wrong answers", "actor": "usr_1", "at": "2026-01-01T00:00:00Z"}
    own = [{**cards[0], "quarantine": kept_out}, *cards[1:]]
    rows = device_rows(_node(0, own), None)
    assert (rows[0]["tone"], rows[0]["why"], rows[0]["is_quarantined"]) == ("bad", "wrong answers", True)
    assert {one["tone"] for one in rows if one["health"] == "degraded"} == {"warn"}
    masked = [one for one, device in zip(rows, own, strict=True) if device["vendor"] == "cambricon"]
    assert {(one["claimed"], one["tone"]) for one in masked} == {(0.0, "quiet")}
    assert [one["utilization"] for one in rows] == [None] * len(rows)


def test_every_condition_of_the_scheduler_has_a_tone_of_its_own() -> None:
    """Only what is out of order or in between may look so."""
    tones = {one: condition_of({"condition": one.value})[1] for one in Condition}
    assert [one for one, tone in tones.items() if tone == "good"] == [Condition.READY]
    assert [one for one, tone in tones.items() if tone == "bad"] == [Condition.LATE, Condition.UNREACHABLE]
    assert [one for one, tone in tones.items() if tone == "quiet"] == [Condition.REMOVED]


def test_a_bar_says_when_it_gets_tight() -> None:
    assert [bar_tone(share) for share in (0.0, 0.79, 0.8, 0.94, 0.95, 1.2)] == [
        "good",
        "good",
        "warn",
        "warn",
        "bad",
        "bad",
    ]

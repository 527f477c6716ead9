"""What engines, model files and orders of nodes look like."""

from typing import Any

import pytest

from roundhouse_console.domain.installed import (
    engine_state,
    file_progress,
    file_source,
    file_state,
    for_nodes,
    is_fetched,
    nodes_of_order,
    nodes_with,
    order_progress,
    token_state,
    users_of_devices,
)

_GIB = 1024**3
Found = dict[str, Any]
"""An object as a service sends it. Any: its shape is the service's."""


def _files(state: str, stored: int = 0, total: int = 0, rate: float = 0.0, left: float | None = None) -> Found:
    return {"state": state, "stored_bytes": stored, "total_bytes": total, "rate_bytes_s": rate, "left_s": left}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (_files("ready", 4 * _GIB, 4 * _GIB), (1.0, "4 GiB", "")),
        (_files("fetching", _GIB, 4 * _GIB, 2 * 1024**2, 90.0), (0.25, "1 GiB / 4 GiB", "2 MiB/s, 1 min 30 s")),
        (_files("fetching", _GIB, 4 * _GIB, 1024, -1.0), (0.25, "1 GiB / 4 GiB", "1 KiB/s")),
        (_files("waiting"), (0.0, "", "")),
        (_files("fetching", 5 * _GIB, 4 * _GIB), (1.0, "5 GiB / 4 GiB", "")),
    ],
)
def test_progress_of_files_tells_bytes_speed_and_what_is_left(files: Found, expected: tuple[float, str, str]) -> None:
    assert file_progress(files) == expected


def test_an_order_is_as_far_as_its_nodes_are() -> None:
    assert order_progress([]) == (0.0, "0 / 0", "busy")
    half = [_files("ready"), _files("fetching", 1, 2)]
    assert order_progress(half) == (0.75, "1 / 2", "busy")
    assert order_progress([{"state": "ready"}, {"state": "installing"}]) == (0.5, "1 / 2", "busy")
    assert order_progress([{"state": "ready"}, {"state": "failed"}]) == (0.5, "1 / 2", "bad")
    assert order_progress([{"state": "ready"}, {"state": "gone"}]) == (1.0, "2 / 2", "good")


def test_an_order_names_its_nodes_in_one_of_three_ways() -> None:
    assert for_nodes("all", (), "") == {"all": True}
    assert for_nodes("labels", ("nod_1",), "pool=chat, rack=7") == {"labels": {"pool": "chat", "rack": "7"}}
    assert for_nodes("nodes", ("nod_1",), "pool=chat") == {"node_ids": ["nod_1"]}


@pytest.mark.parametrize(("way", "labels"), [("labels", ""), ("labels", "pool"), ("nodes", "")])
def test_an_order_for_no_nodes_is_refused_with_a_sentence(way: str, labels: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ .*\."):
        for_nodes(way, (), labels)


def test_the_nodes_of_an_order_are_told_by_name() -> None:
    def told(**nodes: object) -> str:
        return nodes_of_order({"all": False, "labels": {}, "node_ids": [], **nodes}, {"nod_1": "one"}, "all of them")

    assert told(all=True) == "all of them"
    assert told(labels={"b": "2", "a": "1"}) == "a=1, b=2"
    assert told(node_ids=["nod_1", "nod_gone"]) == "one, nod_gone"


def test_states_that_a_newer_scheduler_has_are_shown_as_they_are() -> None:
    assert engine_state("failed") == ("failed", "bad")
    assert file_state("paused") == ("paused", "warn")
    assert token_state("open") == ("open", "good")
    assert engine_state("shining") == ("shining", "quiet")


def test_a_source_tells_the_beginning_of_its_revision() -> None:
    source = {"kind": "hugging-face", "uri": "Qwen/Qwen3-0.6B", "revision": "0123456789abcdef"}
    assert file_source(source) == "hugging-face: Qwen/Qwen3-0.6B @ 0123456789ab"
    assert file_source({**source, "revision": ""}) == "hugging-face: Qwen/Qwen3-0.6B"


def test_each_device_knows_the_replicas_on_it() -> None:
    replicas = [
        {"deployment_name": "large", "id": "rep_00aaaaaa", "device_uuids": ["a", "b"]},
        {"deployment_name": "chat", "id": "rep_00bbbbbb", "device_uuids": ["b"]},
        {"deployment_name": "cpu", "id": "rep_00cccccc", "device_uuids": []},
    ]
    assert users_of_devices(replicas) == {"a": ["large · aaaaaa"], "b": ["chat · bbbbbb", "large · aaaaaa"]}


def test_only_what_nodes_fetch_is_offered_to_be_fetched() -> None:
    assert is_fetched({"kind": "hugging-face"})
    assert not is_fetched({"kind": "python-package"})
    assert not is_fetched({"kind": "path"})


def test_an_engine_counts_once_for_each_node_that_has_it_ready() -> None:
    rows = [("vllm", "nod_a", "ready"), ("vllm", "nod_a", "ready"), ("vllm", "nod_b", "ready")]
    rows += [("vllm", "nod_c", "installing"), ("sglang", "nod_a", "failed")]
    assert nodes_with([dict(zip(("engine", "node_id", "state"), row, strict=True)) for row in rows]) == {"vllm": 2}

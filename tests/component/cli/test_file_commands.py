"""`roundhouse files`: what is asked of the scheduler, and what people see of it."""

from pathlib import Path
from typing import Any

import pytest

from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted

NODE = {"id": "nod_gpu7", "hostname": "gpu-7"}
SOURCE = {"kind": "hugging-face", "uri": "Qwen/Qwen3-0.6B", "revision": "", "patterns": [], "sha256": ""}
MODEL: dict[str, Any] = {"id": "mdl_1", "name": "qwen3", "source": SOURCE, "resolved_revision": "c0ffee"}
ON_NODE: dict[str, Any] = {
    "node_id": "nod_gpu7",
    "hostname": "gpu-7",
    "state": "ready",
    "detail": "",
    "stored_bytes": 4_000,
    "total_bytes": 4_000,
    "rate_bytes_s": 0.0,
    "left_s": None,
    "origin": "",
}
ORDER: dict[str, Any] = {
    "id": "for_0197aa00000070008000000000000111",
    "name": "qwen3",
    "source": SOURCE,
    "wish": "fetch",
    "nodes": {"node_ids": [], "labels": {"disk": "ssd"}, "all": False},
    "created_at": "2026-11-21T09:00:00.000Z",
    "on_nodes": [ON_NODE],
}
FILES: dict[str, Any] = {
    **ON_NODE,
    "key": "ab" * 16,
    "name": "qwen3",
    "state": "fetching",
    "stored_bytes": 2**30,
    "total_bytes": 4 * 2**30,
    "rate_bytes_s": 35 * 2**20,
    "left_s": 94.0,
    "is_in_use": True,
    "path": "",
    "origin": "gpu-3",
}
ORDERS = "/api/v1/file-orders"
ONE = f"{ORDERS}/{ORDER['id']}"


@pytest.fixture
def fleet(server: Scripted) -> Scripted:
    server.items("/api/v1/nodes", NODE)
    server.items("/api/v1/models", MODEL)
    return server


@pytest.mark.contract("A10", "G08")
def test_a_listing_shows_progress_rate_and_time_left(roundhouse: Command, fleet: Scripted) -> None:
    fleet.items("/api/v1/model-files", FILES)

    line = roundhouse("files", "ls").out.splitlines()[1]

    for word in ("gpu-7", "qwen3", "fetching", "4.0 GiB", "25%", "35 MiB/s", "94s", "yes", "gpu-3"):
        assert word in line


def test_files_are_ordered_by_the_catalogs_source_and_watched(roundhouse: Command, fleet: Scripted) -> None:
    fleet.on("POST", ORDERS, {**ORDER, "on_nodes": []}, status=201)
    fleet.on("GET", ONE, {**ORDER, "on_nodes": [{**ON_NODE, "state": "fetching", "stored_bytes": 1}]})
    fleet.on("GET", ONE, ORDER)

    result = roundhouse("files", "fetch", "qwen3", "--label", "disk=ssd")

    assert result.code == 0
    assert "qwen3 is on 1 node." in result.err
    assert fleet.last("POST").body == {
        "name": "qwen3",
        "source": {"kind": "hugging-face", "uri": "Qwen/Qwen3-0.6B", "revision": "c0ffee"},
        "nodes": {"labels": {"disk": "ssd"}},
    }


def test_a_failed_fetch_ends_the_command_with_its_cause(roundhouse: Command, fleet: Scripted) -> None:
    failed = {**ON_NODE, "state": "failed", "detail": "the disk lacks 2.0 GB"}
    fleet.on("POST", ORDERS, ORDER, status=201)
    fleet.on("GET", ONE, {**ORDER, "on_nodes": [failed, {**ON_NODE, "hostname": "gpu-8"}]})

    assert (
        "It failed on 1 of 2 nodes: gpu-7: the disk lacks 2.0 GB"
        in roundhouse.fails("files", "fetch", "qwen3", "--all").err
    )


@pytest.mark.parametrize("verb", ["pause", "resume", "retry"])
def test_an_order_is_found_by_its_model(roundhouse: Command, fleet: Scripted, verb: str) -> None:
    fleet.items(ORDERS, ORDER, {**ORDER, "id": "for_2", "wish": "remove"})
    fleet.on("POST", f"{ONE}:{verb}", ORDER, status=202)

    assert roundhouse("files", verb, "qwen3").code == 0
    assert fleet.last("POST").path == f"{ONE}:{verb}"


@pytest.mark.parametrize(("verb", "files"), [("cancel", "keep"), ("rm", "remove")])
def test_an_order_is_taken_back_with_or_without_its_files(
    roundhouse: Command, fleet: Scripted, verb: str, files: str
) -> None:
    fleet.items(ORDERS, ORDER)
    fleet.on("DELETE", ONE, ORDER, status=202)

    assert roundhouse("files", verb, "qwen3").code == 0
    assert fleet.last("DELETE").query == {"files": files}


def test_a_clean_up_only_says_what_would_go_until_it_is_told(roundhouse: Command, fleet: Scripted) -> None:
    gone = {"key": "ab" * 16, "name": "old", "stored_bytes": 2**30, "used_at": None, "path": ""}
    clean = "/api/v1/nodes/nod_gpu7/model-files:clean"
    fleet.on("POST", clean, {"models": [gone, {**gone, "name": "twin"}], "freed_bytes": 2**30, "error": ""})

    first = roundhouse("files", "clean", "--node", "gpu-7")
    assert "1.0 GiB would be freed" in first.err, "what two models share was counted twice"
    assert fleet.last("POST").body == {"unused_for_s": 30 * 86_400, "is_dry_run": True}

    second = roundhouse("files", "clean", "--all", "--unused-for", "1d", "--yes")
    assert "1.0 GiB freed" in second.err
    assert fleet.last("POST").body == {"unused_for_s": 86_400, "is_dry_run": False}


def test_files_of_a_model_that_was_not_ordered_are_told(roundhouse: Command, fleet: Scripted) -> None:
    fleet.items(ORDERS)

    assert "were not ordered" in roundhouse.fails("files", "pause", "qwen3").err


def test_a_state_directory_that_is_not_there_is_named(roundhouse: Command, tmp_path: Any) -> None:
    missing = tmp_path / "nothing"

    result = roundhouse.fails("files", "export", "qwen3", str(tmp_path / "out"), "--state-dir", str(missing))

    assert str(missing) in result.err


def test_an_order_of_another_model_is_not_taken_back(roundhouse: Command, fleet: Scripted) -> None:
    fleet.items(ORDERS, ORDER)
    fleet.on("DELETE", ONE, ORDER, status=202)

    refused = roundhouse.fails("files", "rm", "lama", "--order", "00000111")
    assert "is for qwen3, not for lama" in refused.err
    assert [asked.method for asked in fleet.asked] == ["GET"]

    assert "qwen3 goes from the nodes" in roundhouse("files", "rm", "qwen3", "--order", "00000111").err


def test_files_of_the_roundhouse_here_are_exported_without_naming_its_directory(
    roundhouse: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "node-agent").mkdir()
    monkeypatch.setenv("ROUNDHOUSE_CONNECTION", str(tmp_path / "connection.json"))

    result = roundhouse("files", "export", "nothing", str(tmp_path / "out"))

    assert result.code == 1
    assert "is not there; name" not in result.err, "the directory was found, and it has no such model"
    assert "was not exported" in result.err

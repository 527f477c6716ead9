"""`deploy --dry-run` and `switch`: what would happen, and how it comes about."""

import io
from typing import Any

import pytest

from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted

MODEL = {"id": "mdl_0197aa00000070008000000000000111", "name": "tiny"}
DEPLOYMENT = {"id": "dep_0197aa00000070008000000000000222", "name": "tiny"}
VERSION = {
    "model_name": "tiny",
    "model_kind": "chat",
    "engine": "llama.cpp",
    "template": "small@1",
    "parameters": {"parallel": "2"},
    "source": {"kind": "path", "uri": "/models/tiny.gguf", "revision": "", "patterns": [], "sha256": ""},
    "context_length": 2048,
    "architecture": "llama",
    "defaults": None,
    "resources": {"memory_bytes": 600 * 2**20, "cpu_millis": 0, "device_count": 0},
    "placement": {"region": ""},
    "alternatives": [],
    "memory_need": {
        "weights_bytes": 400 * 2**20,
        "kv_cache_bytes": 100 * 2**20,
        "activation_bytes": 50 * 2**20,
        "overhead_bytes": 50 * 2**20,
        "context_tokens": 2048,
        "concurrency": 2,
    },
}
PLACED = {
    "replica": 1,
    "rank": 0,
    "node_id": "nod_one",
    "hostname": "one",
    "region": "eu",
    "zone": "",
    "devices": [],
    "alternative": "",
    "score": 1.0,
    "command": None,
}
COMMAND: dict[str, Any] = {
    "argv": ["llama-server", "-m", "/models/a model.gguf", "--port", "9001"],
    "environment": {"LLAMA_API_KEY": "********"},
    "files": {},
    "runs_in": "",
    "engine_version": "",
    "port": 9001,
    "has_files": True,
    "has_engine": True,
    "error": "",
}
REJECTED = {
    "node_id": "nod_two",
    "hostname": "two",
    "device_uuid": "",
    "reason": "memory",
    "detail": "600 MiB wanted, 100 MiB free",
}
SWITCH = {
    "id": "swi_1",
    "state": "waiting",
    "detail": "",
    "victims": [],
}


@pytest.fixture
def catalog(server: Scripted) -> Scripted:
    server.items("/api/v1/models", MODEL)
    server.items("/api/v1/deployments", DEPLOYMENT)
    server.on(
        "POST", "/api/v1/deployments:validate", {"name": "tiny", "replicas": 2, "version": VERSION, "autoscale": None}
    )
    return server


def answer(server: Scripted, *, placed: list[Any], rejections: list[Any], unplaced: int) -> None:
    found = {
        "placed": placed,
        "rejections": rejections,
        "unplaced": unplaced,
        "summary": f"{len(placed)} of 2 replicas can be placed",
    }
    server.on("POST", "/api/v1/placements:dryRun", found)


def test_a_dry_run_shows_nodes_and_what_the_memory_is_made_of(roundhouse: Command, catalog: Scripted) -> None:
    answer(catalog, placed=[PLACED, {**PLACED, "replica": 2}], rejections=[], unplaced=0)

    result = roundhouse("deploy", "tiny", "--template", "small", "--dry-run")

    assert result.code == 0
    for words in ("600 MiB: weights 400 MiB, KV cache 100 MiB for 2 x 2048 tokens", "small@1", "one", "CPU"):
        assert words in result.out
    validated, asked = [one for one in catalog.asked if one.method == "POST"]
    assert validated.body == {"model": MODEL["id"], "template": "small"}
    names = ("engine", "model_kind", "parameters", "resources", "placement", "alternatives", "memory_need")
    command = {name: VERSION[name] for name in ("model_name", "source", "context_length", "architecture")}
    assert asked.body == {
        **{name: VERSION[name] for name in names},
        "replicas": 2,
        "command": {"deployment_name": "tiny", **command, "chat_template": ""},
    }


def test_a_dry_run_shows_each_command_once(roundhouse: Command, catalog: Scripted) -> None:
    elsewhere = {**COMMAND, "argv": [*COMMAND["argv"][:-1], "9002"], "port": 9002}
    broken = {**COMMAND, "argv": [], "error": "the node three does not answer"}
    placed = [
        {**PLACED, "command": COMMAND},
        {**PLACED, "replica": 2, "command": elsewhere},
        {**PLACED, "replica": 3, "hostname": "three", "command": broken},
    ]
    answer(catalog, placed=placed, rejections=[], unplaced=0)

    shown = roundhouse("deploy", "tiny", "--dry-run").out

    assert "Command of 1 on one, 2 on one:" in shown
    assert "LLAMA_API_KEY='********' \\\n  llama-server -m '/models/a model.gguf' --port PORT" in shown
    assert "Command of 3 on three:\nthe node three does not answer" in shown


def test_a_dry_run_asks_for_the_engines_version_and_whether_it_may_be_installed(
    roundhouse: Command, server: Scripted
) -> None:
    version = {**VERSION, "engine_version": "2026.9.1", "installs_engine": True}
    server.items("/api/v1/models", MODEL)
    server.on(
        "POST", "/api/v1/deployments:validate", {"name": "tiny", "replicas": 1, "version": version, "autoscale": None}
    )
    answer(server, placed=[PLACED], rejections=[], unplaced=0)

    roundhouse("deploy", "tiny", "--engine-version", "2026.9.1", "--install-engine", "--dry-run")

    _, asked = [one for one in server.asked if one.method == "POST"]
    assert (asked.body["engine_version"], asked.body["installs_engine"]) == ("2026.9.1", True)


def test_a_dry_run_shows_the_engines_memory_flag(roundhouse: Command, catalog: Scripted) -> None:
    share = {"flag": "--gpu-memory-utilization", "value": 0.3909}
    devices = [{"uuid": f"GPU-{i}", "index": i, "model": "H100", "memory_share": share} for i in range(2)]
    answer(catalog, placed=[{**PLACED, "devices": devices}], rejections=[], unplaced=0)

    shown = roundhouse("deploy", "tiny", "--dry-run").out
    assert "0: H100, 1: H100" in shown
    assert shown.count("--gpu-memory-utilization 0.3909") == 1


def test_a_dry_run_that_fits_nowhere_says_why_node_by_node_and_fails(roundhouse: Command, catalog: Scripted) -> None:
    answer(catalog, placed=[PLACED], rejections=[REJECTED], unplaced=1)

    result = roundhouse("deploy", "tiny", "--dry-run")

    assert result.code == 1
    assert "600 MiB wanted, 100 MiB free" in result.out
    assert "Not every replica fits: 1 of 2" in result.err


def test_only_what_was_stated_goes_to_the_catalog(roundhouse: Command, catalog: Scripted) -> None:
    catalog.on("POST", "/api/v1/deployments", DEPLOYMENT, status=201)

    result = roundhouse(
        "deploy", "tiny", "--devices", "2", "--vendor", "nvidia", "--rollout", "recreate", "--no-rollback",
        "--min", "0", "--idle", "5m", "--evictable",
    )  # fmt: skip

    assert result.code == 0, result.err
    assert catalog.last("POST").body == {
        "model": MODEL["id"],
        "resources": {"device_count": 2},
        "placement": {"device_vendor": "nvidia"},
        "rollout": {"strategy": "recreate", "is_rolled_back": False},
        "autoscale": {"min_replicas": 0, "max_replicas": 1, "idle_s": 300.0},
        "is_evictable": True,
    }


def test_a_deployment_may_be_bound_to_nodes_by_name_and_to_devices(roundhouse: Command, catalog: Scripted) -> None:
    catalog.items("/api/v1/nodes", {"id": "nod_gpu7", "hostname": "gpu-7"}, {"id": "nod_gpu8", "hostname": "gpu-8"})
    catalog.on("POST", "/api/v1/deployments", DEPLOYMENT, status=201)

    result = roundhouse("deploy", "tiny", "--node", "gpu-7", "--node", "gpu-8", "--device", "GPU-1", "--region", "eu")

    assert result.code == 0, result.err
    placement = {"region": "eu", "device_uuids": ["GPU-1"], "node_ids": ["nod_gpu7", "nod_gpu8"]}
    assert catalog.last("POST").body["placement"] == placement


@pytest.mark.contract("A13")
def test_a_switch_is_followed_to_its_end(roundhouse: Command, catalog: Scripted) -> None:
    catalog.on("POST", "/api/v1/switches", SWITCH, status=201)
    catalog.on("GET", "/api/v1/switches/swi_1", {**SWITCH, "state": "evicting"})
    ready = {**SWITCH, "state": "ready", "victims": [{"deployment_id": "dep_x", "name": "other", "state": "gone"}]}
    catalog.on("GET", "/api/v1/switches/swi_1", ready)

    result = roundhouse("switch", "tiny")

    assert result.code == 0
    assert "tiny: ready (made room: other)" in result.err
    assert catalog.last("POST").body == {"deployment_id": DEPLOYMENT["id"]}


def test_a_switch_that_fails_says_why(roundhouse: Command, catalog: Scripted) -> None:
    catalog.on("POST", "/api/v1/switches", {**SWITCH, "state": "failed", "detail": "nothing idle to evict"}, status=201)

    result = roundhouse("switch", "tiny")

    assert result.code == 1
    assert "The switch to tiny failed: nothing idle to evict" in result.err


@pytest.mark.parametrize(
    ("answer", "posts"), [("y", ["/api/v1/switches", "/api/v1/switches/swi_1:cancel"]), ("n", ["/api/v1/switches"])]
)
def test_an_interrupted_switch_asks_whether_it_is_called_off(
    roundhouse: Command, catalog: Scripted, monkeypatch: pytest.MonkeyPatch, answer: str, posts: list[str]
) -> None:
    catalog.on("POST", "/api/v1/switches", SWITCH, status=201)
    catalog.on("POST", "/api/v1/switches/swi_1:cancel", {**SWITCH, "is_cancelling": True}, status=202)

    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupted)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{answer}\n"))

    result = roundhouse("switch", "tiny")

    assert result.code == 0
    assert [asked.path for asked in catalog.asked if asked.method == "POST"] == posts
    assert ("is called off" if answer == "y" else "It goes on") in result.err


LISTED = {
    **SWITCH,
    "state": "evicting",
    "is_cancelling": False,
    "deployment_id": DEPLOYMENT["id"],
    "actor": "user:usr_admin",
    "began_at": "2026-11-21T10:00:00Z",
    "ended_at": None,
    "victims": [{"deployment_id": "dep_x", "name": "other", "state": "draining"}],
}


@pytest.mark.contract("A13")
def test_switches_are_listed_with_who_makes_room(roundhouse: Command, catalog: Scripted) -> None:
    catalog.items("/api/v1/switches", LISTED, {**LISTED, "id": "swi_0", "state": "ready"})

    shown = roundhouse("switches", "tiny").out.splitlines()

    assert len(shown) == 3
    assert shown[1].split()[1:5] == ["tiny", "evicting", "other", "(draining)"]
    assert {"deployment_id": DEPLOYMENT["id"]}.items() <= catalog.asked[-2].query.items()


def test_a_switch_under_way_is_called_off(roundhouse: Command, catalog: Scripted) -> None:
    catalog.items("/api/v1/switches", {**LISTED, "id": "swi_0", "state": "ready"}, LISTED)
    catalog.on("POST", "/api/v1/switches/swi_1:cancel", {**LISTED, "is_cancelling": True}, status=202)

    assert "is called off" in roundhouse("switch", "tiny", "--cancel").err
    assert catalog.last("POST").path == "/api/v1/switches/swi_1:cancel"


def test_calling_off_what_is_not_under_way_is_refused(roundhouse: Command, catalog: Scripted) -> None:
    catalog.items("/api/v1/switches", {**LISTED, "state": "failed"})

    assert "No switch to tiny is under way." in roundhouse.fails("switch", "tiny", "--cancel").err

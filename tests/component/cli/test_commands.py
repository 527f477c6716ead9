"""Each command against a scripted server: what it asks, what it prints, how it ends."""

import pytest

from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted

MODEL = {
    "id": "mdl_0197aa00000070008000000000000111",
    "name": "tiny",
    "kind": "chat",
    "source": {"kind": "path", "uri": "/models/tiny.gguf"},
    "context_length": 2048,
    "licence": "Apache-2.0",
    "tags": [],
    "memory_bytes": 600 * 2**20,
    "is_published": True,
    "generation": 1,
    "created_at": "2026-11-21T09:00:00.000Z",
    "updated_at": "2026-11-21T09:00:00.000Z",
}
DEPLOYMENT = {
    "id": "dep_0197aa00000070008000000000000222",
    "name": "tiny",
    "desired": "run",
    "replicas": 1,
    "generation": 3,
    "active_version": {"number": 2, "model_name": "tiny", "engine": "llama.cpp"},
    "created_at": "2026-11-21T09:00:00.000Z",
}
STATUS = {
    "deployment_id": DEPLOYMENT["id"],
    "name": "tiny",
    "state": "Preparing",
    "why": "no node has 600 MiB free",
    "replicas_wanted": 1,
    "replicas_ready": 0,
    "generation": 3,
}
RUNNING = {**STATUS, "state": "Running", "why": "", "replicas_ready": 1}
REPLICA = {
    "id": "rep_0197aa00000070008000000000000333",
    "deployment_id": DEPLOYMENT["id"],
    "deployment_name": "tiny",
    "version_number": 2,
    "node_id": "",
    "phase": "pending",
    "desired": "run",
    "reason": "no-feasible-node",
    "detail": "",
    "attempt": 1,
    "since": "2026-11-21T09:00:00.000Z",
    "rejections": [{"node_id": "nod_one", "reason": "memory", "detail": "600 MiB wanted, 100 MiB free"}],
}
NODE_ID = "nod_0197aa00000070008000000000000555"
FAILED = {
    **REPLICA,
    "node_id": NODE_ID,
    "phase": "failed",
    "reason": "restart-backoff",
    "detail": "the model file is not a GGUF file",
    "exit_code": 3,
    "log_tail": ["loading", "bad magic"],
}
KEY = {
    "id": "key_0197aa00000070008000000000000444",
    "name": "laptop",
    "prefix": "rh-Ab12",
    "last_four": "wxyz",
    "is_revoked": False,
    "expires_at": None,
    "created_at": "2026-11-21T09:00:00.000Z",
}


@pytest.fixture
def deployed(server: Scripted) -> Scripted:
    """A server with one model, one deployment and one replica."""
    server.items("/api/v1/models", MODEL)
    server.items("/api/v1/deployments", DEPLOYMENT)
    server.items("/api/v1/deployment-statuses", STATUS)
    server.items("/api/v1/replicas", REPLICA)
    server.items("/api/v1/nodes", {"id": NODE_ID, "hostname": "gpu-one"})
    server.items("/api/v1/api-keys", KEY)
    server.on("GET", f"/api/v1/deployments/{DEPLOYMENT['id']}", DEPLOYMENT, headers={"etag": '"3"'})
    return server


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("models", "ls"), ("tiny", "chat", "600 MiB", "Apache-2.0", "yes")),
        (("deployments", "ls"), ("tiny", "Preparing", "0/1", "no node has 600 MiB free")),
        (("ps",), ("tiny", "pending", "no-feasible-node", "nod_one: 600 MiB wanted, 100 MiB free")),
        (("keys", "ls"), ("laptop", "rh-Ab12...wxyz", "active", "never")),
    ],
)
def test_a_listing_is_a_table(
    roundhouse: Command, deployed: Scripted, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    result = roundhouse(*arguments)

    assert result.code == 0
    header, *rows = result.out.splitlines()
    assert header == header.upper()
    assert len(rows) == 1
    assert all(word in rows[0] for word in words)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("models", "ls"), [MODEL]),
        (("ps",), [REPLICA]),
        (("keys", "ls"), [KEY]),
        (("deployments", "ls"), [{**DEPLOYMENT, "status": STATUS}]),
    ],
)
def test_a_listing_as_json_is_what_the_service_sent(
    roundhouse: Command, deployed: Scripted, arguments: tuple[str, ...], expected: object
) -> None:
    result = roundhouse(*arguments, "-o", "json")

    assert result.code == 0
    assert result.json == expected


def test_an_empty_listing_is_an_empty_array_for_programs_and_a_word_for_people(
    roundhouse: Command, server: Scripted
) -> None:
    server.items("/api/v1/models")

    assert roundhouse("models", "ls", "-o", "json").json == []
    assert roundhouse("models", "ls").err.strip() == "There are no models."


def test_a_listing_goes_over_all_pages(roundhouse: Command, server: Scripted) -> None:
    server.on("GET", "/api/v1/models", {"items": [MODEL], "next_cursor": "further"})
    server.on("GET", "/api/v1/models", {"items": [{**MODEL, "name": "other"}], "next_cursor": None})

    assert [model["name"] for model in roundhouse("models", "ls", "-o", "json").json] == ["tiny", "other"]
    assert server.asked[-1].query["cursor"] == "further"
    assert server.asked[-1].headers["authorization"] == "Bearer token"


def test_deploy_sends_what_was_typed(roundhouse: Command, deployed: Scripted) -> None:
    deployed.on("POST", "/api/v1/deployments", DEPLOYMENT, status=201)

    result = roundhouse(
        "deploy", "tiny", "--replicas", "2", "--set", "parallel=4", "--memory", "1GiB", "--label", "a=b"
    )

    assert result.code == 0
    asked = deployed.last("POST")
    assert asked.body == {
        "model": MODEL["id"],
        "replicas": 2,
        "parameters": {"parallel": "4"},
        "resources": {"memory_bytes": 2**30},
        "placement": {"node_labels": {"a": "b"}},
    }
    assert asked.headers["idempotency-key"]


def test_deploy_with_wait_returns_when_it_runs(roundhouse: Command, deployed: Scripted) -> None:
    deployed.on("POST", "/api/v1/deployments", DEPLOYMENT, status=201)
    for status in ({**RUNNING, "generation": 2}, STATUS, RUNNING):
        deployed.on("GET", f"/api/v1/deployments/{DEPLOYMENT['id']}/status", status)

    assert roundhouse("deploy", "tiny", "--wait").code == 0
    assert len([asked for asked in deployed.asked if asked.path.endswith("/status")]) == 3


def test_waiting_outlasts_a_scheduler_that_has_not_heard_yet(roundhouse: Command, deployed: Scripted) -> None:
    deployed.on("POST", "/api/v1/deployments", DEPLOYMENT, status=201)
    path = f"/api/v1/deployments/{DEPLOYMENT['id']}/status"
    deployed.on("GET", path, {"title": "Not Found", "detail": "unknown", "code": "not_found"}, status=404)
    deployed.on("GET", path, RUNNING)

    assert roundhouse("deploy", "tiny", "--wait").code == 0


def test_waiting_ends_with_the_reason_when_it_fails(roundhouse: Command, deployed: Scripted) -> None:
    deployed.on("POST", "/api/v1/deployments", DEPLOYMENT, status=201)
    failed = {**STATUS, "state": "Error", "why": "the model's file is damaged"}
    deployed.on("GET", f"/api/v1/deployments/{DEPLOYMENT['id']}/status", failed)

    assert "the model's file is damaged" in roundhouse.fails("deploy", "tiny", "--wait").err


def test_scale_changes_the_generation_that_is_there(roundhouse: Command, deployed: Scripted) -> None:
    deployed.on("PATCH", f"/api/v1/deployments/{DEPLOYMENT['id']}", {**DEPLOYMENT, "replicas": 3})

    assert roundhouse("deployments", "scale", "tiny", "3").code == 0
    assert deployed.last("PATCH").body == {"replicas": 3}
    assert deployed.last("PATCH").headers["if-match"] == '"3"'


@pytest.mark.parametrize("verb", ["stop", "start"])
def test_stop_and_start_ask_for_it(roundhouse: Command, deployed: Scripted, verb: str) -> None:
    deployed.on("POST", f"/api/v1/deployments/{DEPLOYMENT['id']}:{verb}", DEPLOYMENT)

    assert roundhouse("deployments", verb, "tiny").code == 0
    assert deployed.last("POST").path.endswith(f":{verb}")


def test_what_the_service_refuses_is_said_in_its_words(roundhouse: Command, deployed: Scripted) -> None:
    problem = {"title": "Conflict", "detail": "tiny is deployed.", "code": "model_in_use", "errors": []}
    deployed.on("DELETE", f"/api/v1/models/{MODEL['id']}", problem, status=409)

    result = roundhouse.fails("models", "rm", "tiny")

    assert result.code == 1
    assert "tiny is deployed." in result.err


def test_fields_at_fault_are_named(roundhouse: Command, deployed: Scripted) -> None:
    errors = [{"field": "name", "message": "is taken"}]
    problem = {"title": "Unprocessable", "detail": "The input is not valid.", "errors": errors}
    deployed.on("POST", "/api/v1/deployments", problem, status=422)

    assert "(name: is taken)" in roundhouse.fails("deploy", "tiny").err


def test_the_secret_of_a_new_key_is_all_of_standard_output(roundhouse: Command, deployed: Scripted) -> None:
    deployed.on("POST", "/api/v1/api-keys", {**KEY, "secret": "rh-secret"}, status=201)

    result = roundhouse("keys", "create", "laptop", "--deployment", "tiny")

    assert result.out == "rh-secret\n"
    assert deployed.last("POST").body == {"name": "laptop", "deployment_ids": [DEPLOYMENT["id"]]}


def test_a_key_is_revoked_by_name(roundhouse: Command, deployed: Scripted) -> None:
    deployed.on("DELETE", f"/api/v1/api-keys/{KEY['id']}", b"", status=204)

    assert roundhouse("keys", "revoke", "laptop").code == 0
    assert deployed.last("DELETE").path.endswith(str(KEY["id"]))


def test_usage_by_key_shows_names_and_a_total(roundhouse: Command, deployed: Scripted) -> None:
    row: dict[str, object] = {"requests": 7, "completed": 7, "failed": 0, "aborted": 0}
    row |= {"input_tokens": 9, "cached_input_tokens": 0}
    row |= {"output_tokens": 20, "reasoning_tokens": 0, "cost_nano": 1_500_000_000, "unpriced": 0}
    row |= {"latency_ms": {"p50": 120.4, "p95": None}}
    rows = [{**row, "key": KEY["id"]}, {**row, "key": "key_gone", "unpriced": 7}]
    totals = {**row, "requests": 14, "unpriced": 7}
    deployed.on("GET", "/api/v1/usage", {"items": rows, "totals": totals, "currency": "USD"})

    result = roundhouse("usage", "--by", "key", "--since", "24h")

    header, *lines = result.out.splitlines()
    assert header.split()[:2] == ["KEY", "REQUESTS"]
    assert [line.split()[:2] for line in lines] == [["laptop", "7"], ["key_gone", "7"], ["total", "14"]]
    assert "1.500000 USD" in lines[0]
    assert "120 ms" in lines[0]
    assert "unpriced" in lines[1]
    assert ">1.500000 USD" in lines[2]
    assert deployed.asked[0].query["by"] == "key"


def test_usage_has_columns_of_sound_and_images_only_where_there_were_any(
    roundhouse: Command, deployed: Scripted
) -> None:
    row: dict[str, object] = dict.fromkeys(("requests", "completed", "failed", "aborted", "input_tokens"), 1)
    row |= {"cached_input_tokens": 0, "output_tokens": 1, "reasoning_tokens": 0, "cost_nano": 0, "unpriced": 0}
    row |= {"latency_ms": {"p50": None, "p95": None}, "key": "gpt-audio", "cache_write_tokens": 0}
    heard = {**row, "input_audio_tokens": 4321, "output_audio_tokens": 0}
    deployed.on("GET", "/api/v1/usage", {"items": [row, heard], "totals": heard, "currency": ""})

    header, *lines = roundhouse("usage").out.splitlines()

    assert "AUDIO IN" in header
    assert "AUDIO OUT" not in header
    assert "IMAGE IN" not in header
    assert ["4321" in line for line in lines] == [False, True, True]


def test_rebuild_shows_what_each_service_wrote(roundhouse: Command, server: Scripted) -> None:
    server.on("POST", "/api/v1/bus:rebuild", {"written": {"specs": 2, "keys": 1}})
    server.on("POST", "/api/v1/bus:rebuild", {"written": {"endpoints": 2}})
    server.on("POST", "/api/v1/bus:rebuild", {"items": [{"instance": "router-7", "written": {"USAGE": 30}}]})

    rows = roundhouse("admin", "rebuild-bus", "-o", "json").json

    assert [row["service"] for row in rows] == ["catalog", "scheduler", "router router-7"]
    assert rows[0]["written"] == {"specs": 2, "keys": 1}


def test_events_are_shown_with_the_latest_last(roundhouse: Command, deployed: Scripted) -> None:
    first = {"id": "evt_1", "at": "2026-11-21T09:00:00.000Z", "kind": "replica", "reason": "placed"}
    second = {"id": "evt_2", "at": "2026-11-21T09:00:01.000Z", "kind": "replica", "reason": "engine-ready"}
    deployed.items(f"/api/v1/deployments/{DEPLOYMENT['id']}/events", second, first)

    result = roundhouse("deployments", "events", "tiny")

    assert "placed" in result.out.splitlines()[1]
    assert "engine-ready" in result.out.splitlines()[2]


def test_logs_of_several_replicas_say_whose_line_it_is(roundhouse: Command, server: Scripted) -> None:
    other = {**REPLICA, "id": "rep_0197aa00000070008000000000000555"}
    server.items("/api/v1/deployments", DEPLOYMENT)
    server.items("/api/v1/replicas", REPLICA, other)
    for replica in (REPLICA, other):
        chunk = {"text": "one\ntwo", "offset": 0, "next_offset": 7, "is_truncated": False, "error": ""}
        server.on("GET", f"/api/v1/replicas/{replica['id']}/log", chunk)

    result = roundhouse("deployments", "logs", "tiny", "--tail", "5")

    assert result.out.splitlines() == ["00000333 | one", "00000555 | one", "00000333 | two", "00000555 | two"]
    assert server.last("GET").query == {"tail": "5"}


@pytest.mark.contract("B02")
def test_the_log_of_a_replica_that_moved_is_read_where_it_was(roundhouse: Command, server: Scripted) -> None:
    server.items("/api/v1/deployments", DEPLOYMENT)
    server.items("/api/v1/nodes", {"id": "nod_gpu7", "hostname": "gpu-7"})
    server.items("/api/v1/replicas", REPLICA)
    chunk = {"text": "out of memory\n", "offset": 0, "next_offset": 14, "is_truncated": False, "error": ""}
    server.on("GET", f"/api/v1/replicas/{REPLICA['id']}/log", chunk)

    assert roundhouse("deployments", "logs", "tiny", "--node", "gpu-7").out == "out of memory\n"
    assert server.last("GET").query == {"tail": "200", "node_id": "nod_gpu7"}


def test_status_is_zero_only_when_every_service_is_ready(roundhouse: Command, server: Scripted) -> None:
    server.items("/api/v1/nodes", {"id": "nod_one", "hostname": "host", "state": "ready"})
    server.items("/api/v1/deployment-statuses", RUNNING)
    server.on("GET", "/readyz", {"checks": {"bus": "ok"}})

    result = roundhouse("status")

    assert result.code == 0
    assert result.out.count(" ready ") == 4
    assert "node host: ready" in result.err
    assert "deployment tiny: Running, 1 of 1 ready" in result.err


def test_status_says_why_a_service_is_not_ready(roundhouse: Command, server: Scripted) -> None:
    server.items("/api/v1/nodes")
    server.items("/api/v1/deployment-statuses")
    server.on("GET", "/readyz", {"checks": {"bus": "no connection to NATS"}}, status=503)

    result = roundhouse("status")

    assert result.code == 1
    assert "bus: no connection to NATS" in result.out

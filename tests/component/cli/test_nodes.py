"""`roundhouse nodes`: what an administrator orders and what is asked of the scheduler for it."""

from typing import Any

import pytest

from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted

NODE: dict[str, Any] = {
    "id": "nod_gpu7",
    "hostname": "gpu-7",
    "state": "ready",
    "duty": "active",
    "admission": "approved",
    "region": "eu",
    "zone": "a",
    "labels": {"disk": "ssd", "os": "linux"},
    "own_labels": {"disk": "ssd"},
    "cpu_cores": 32,
    "memory_total_bytes": 64 * 2**30,
    "memory_free_bytes": 60 * 2**30,
    "claimed_memory_bytes": 4 * 2**30,
    "devices": [{"uuid": "GPU-aaaa1111", "model": "H100"}, {"uuid": "GPU-bbbb2222", "model": "H100"}],
    "device_errors": [],
    "quarantines": [],
    "drain": None,
    "replicas_count": 1,
    "last_heartbeat_at": "2026-11-21T09:00:00.000Z",
}
REPLICA = {
    "id": "rep_1",
    "deployment_id": "dep_1",
    "deployment_name": "tiny",
    "node_id": "nod_gpu7",
    "phase": "ready",
    "desired": "drain",
    "reason": "node-drained",
    "detail": "",
}
PENDING = {**REPLICA, "id": "rep_2", "node_id": "", "phase": "pending", "desired": "run", "detail": "no node has room"}
TOKEN = {
    "id": "jtk_0197aa00000070008000000000000111",
    "state": "open",
    "node_id": "",
    "labels": {"disk": "ssd"},
    "region": "",
    "zone": "",
    "created_at": "2026-11-21T09:00:00.000Z",
    "created_by": "usr_admin",
    "expires_at": "2026-11-21T10:00:00.000Z",
    "used_at": None,
    "used_node_id": "",
    "revoked_at": None,
}


@pytest.fixture
def fleet(server: Scripted) -> Scripted:
    """A scheduler with one node."""
    server.items("/api/v1/nodes", NODE)
    return server


def test_a_listing_shows_state_duty_place_and_devices(roundhouse: Command, fleet: Scripted) -> None:
    line = roundhouse("nodes", "ls").out.splitlines()[1]

    for word in ("nod_gpu7", "gpu-7", "ready", "active", "eu/a", "2 x H100", "60 GiB"):
        assert word in line


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"admission": "pending"}, "pending"),
        ({"duty": "draining", "drain": {"left": 3}}, "draining (3 left)"),
        ({"duty": "cordoned"}, "cordoned"),
    ],
)
def test_a_listing_shows_what_keeps_a_node_from_taking_more(
    roundhouse: Command, server: Scripted, changes: dict[str, Any], shown: str
) -> None:
    server.items("/api/v1/nodes", {**NODE, **changes})

    assert shown in roundhouse("nodes", "ls").out


def test_a_listing_says_why_a_node_is_not_ready(roundhouse: Command, server: Scripted) -> None:
    why = "its lease ran out; its endpoints stay while requests to them succeed"
    server.items("/api/v1/nodes", {**NODE, "state": "late", "condition": "late", "why": why})

    assert why in roundhouse("nodes", "ls").out


def test_a_node_is_shown_with_its_devices_and_why_one_is_not_used(roundhouse: Command, fleet: Scripted) -> None:
    device = {
        "uuid": "GPU-aaaa1111",
        "index": 0,
        "model": "H100",
        "memory_total_bytes": 80 * 2**30,
        "memory_free_bytes": 70 * 2**30,
        "claimed_memory_bytes": 10 * 2**30,
        "health": "ok",
        "health_detail": "",
        "quarantine": {"reason": "row remap", "actor": "user:usr_admin", "at": "2026-11-21T09:00:00Z"},
    }
    fleet.on("GET", "/api/v1/nodes/nod_gpu7", {**NODE, "condition": "ready", "why": "", "devices": [device]})

    shown = roundhouse("nodes", "show", "gpu-7").out

    assert "GPU-aaaa1111  H100   80 GiB  70 GiB  10 GiB   quarantined" in shown
    assert "by user:usr_admin since 2026-11-21T09:00:00Z: row remap" in shown


def test_what_happened_to_a_node_is_told_in_its_order(roundhouse: Command, fleet: Scripted) -> None:
    line = {"id": "evt_1", "at": "2026-11-21T09:00:00Z", "actor": "service:node-agent"}
    second = {**line, "kind": "node.registered", "before": "epoch 1", "after": "epoch 2"}
    fleet.items(
        "/api/v1/nodes/nod_gpu7/events",
        {**line, "kind": "node.registered", "before": None, "after": "epoch 1", "detail": "agent 1.0 on gpu-7"},
        {**second, "detail": "agent 1.1 on gpu-7; epoch 1 is superseded"},
    )

    shown = roundhouse("nodes", "events", "gpu-7").out.splitlines()

    assert len(shown) == 3
    assert "epoch 1 is superseded" in shown[2]
    assert len(roundhouse("nodes", "events", "gpu-7", "--limit", "1").out.splitlines()) == 2


@pytest.mark.parametrize("verb", ["cordon", "drain", "maintenance"])
def test_an_order_carries_its_reason(roundhouse: Command, fleet: Scripted, verb: str) -> None:
    fleet.on("POST", f"/api/v1/nodes/nod_gpu7:{verb}", NODE)

    assert roundhouse("nodes", verb, "gpu-7", "--reason", "new fans").code == 0
    assert fleet.last("POST").path == f"/api/v1/nodes/nod_gpu7:{verb}"
    assert fleet.last("POST").body == {"reason": "new fans"}


@pytest.mark.parametrize("verb", ["uncordon", "approve"])
def test_a_node_is_let_in_again(roundhouse: Command, fleet: Scripted, verb: str) -> None:
    fleet.on("POST", f"/api/v1/nodes/nod_gpu7:{verb}", NODE)

    assert roundhouse("nodes", verb, "nod_gpu7").code == 0


@pytest.mark.parametrize("verb", ["quarantine", "release"])
def test_a_device_is_named_by_a_part_of_its_uuid(roundhouse: Command, fleet: Scripted, verb: str) -> None:
    fleet.on("POST", f"/api/v1/nodes/nod_gpu7/devices/GPU-bbbb2222:{verb}", NODE)

    assert roundhouse("nodes", verb, "gpu-7", "bbbb2222").code == 0
    assert "GPU-aaaa1111" in roundhouse.fails("nodes", verb, "gpu-7", "GPU-").err


def test_waiting_for_a_drain_ends_when_nothing_is_left(roundhouse: Command, fleet: Scripted) -> None:
    fleet.on("POST", "/api/v1/nodes/nod_gpu7:drain", NODE)
    fleet.items("/api/v1/replicas", REPLICA, PENDING)
    fleet.items("/api/v1/replicas", REPLICA, PENDING)
    fleet.items("/api/v1/replicas")

    result = roundhouse("nodes", "drain", "gpu-7", "--wait")
    assert result.code == 0
    assert "gpu-7 is empty and stays cordoned" in result.err


def test_a_drain_that_takes_too_long_says_what_it_waits_for(roundhouse: Command, fleet: Scripted) -> None:
    fleet.on("POST", "/api/v1/nodes/nod_gpu7:drain", NODE)
    fleet.items("/api/v1/replicas", REPLICA, PENDING)

    failed = roundhouse("nodes", "drain", "gpu-7", "--wait", "--timeout-s", "0")
    assert failed.code == 1
    assert "tiny" in failed.err
    assert "its replacement is pending: no node has room" in failed.err


def test_labels_are_added_and_taken_away_beside_those_that_stay(roundhouse: Command, fleet: Scripted) -> None:
    fleet.on("GET", "/api/v1/nodes/nod_gpu7", NODE, headers={"etag": '"3"'})
    fleet.on("PATCH", "/api/v1/nodes/nod_gpu7", NODE)

    assert roundhouse("nodes", "label", "gpu-7", "rack=7", "disk-", "--zone", "b").code == 0
    assert fleet.last("PATCH").body == {"labels": {"rack": "7"}, "zone": "b"}
    assert fleet.last("PATCH").headers["if-match"] == '"3"'


@pytest.mark.parametrize("arguments", [(), ("rack",), ("=7",), ("-",)])
def test_what_is_no_label_is_told(roundhouse: Command, fleet: Scripted, arguments: tuple[str, ...]) -> None:
    assert roundhouse.fails("nodes", "label", "gpu-7", *arguments).code == 2


def test_a_node_is_removed(roundhouse: Command, fleet: Scripted) -> None:
    fleet.on("DELETE", "/api/v1/nodes/nod_gpu7", b"", status=204)

    assert roundhouse("nodes", "rm", "gpu-7").code == 0


@pytest.mark.parametrize(("state", "order"), [("ready", "drain gpu-7 --wait"), ("late", "give-up gpu-7")])
def test_what_comes_before_a_removal_is_told(roundhouse: Command, server: Scripted, state: str, order: str) -> None:
    server.items("/api/v1/nodes", {**NODE, "state": state})
    server.on("DELETE", "/api/v1/nodes/nod_gpu7", {"detail": "x", "code": "node_holds_replicas"}, status=409)

    said = roundhouse.fails("nodes", "rm", "gpu-7").err
    assert "still holds 1 replica" in said
    assert f"`roundhouse nodes {order}` comes first" in said


def test_why_else_a_node_is_not_removed_is_told(roundhouse: Command, fleet: Scripted) -> None:
    fleet.on("DELETE", "/api/v1/nodes/nod_gpu7", {"detail": "it joins just now", "code": "stale_view"}, status=409)

    assert "it joins just now" in roundhouse.fails("nodes", "rm", "gpu-7").err


def test_a_dead_node_is_given_up(roundhouse: Command, fleet: Scripted) -> None:
    fleet.on("POST", "/api/v1/nodes/nod_gpu7:give-up", None, status=204)

    assert "gpu-7 is given up" in roundhouse("nodes", "give-up", "gpu-7").err


@pytest.mark.parametrize("command", [("join-token",), ("join-token", "create")])
def test_a_join_token_is_the_only_thing_on_standard_output(
    roundhouse: Command, server: Scripted, command: tuple[str, ...]
) -> None:
    server.on("POST", "/api/v1/join-tokens", {**TOKEN, "token": "rhj-1-secret", "is_local_only": True}, status=201)

    made = roundhouse("nodes", *command, "--ttl", "15m", "--node-id", "gpu-8", "--label", "disk=ssd", "--zone", "b")
    assert made.out == "rhj-1-secret\n"
    assert "--listen" in made.err
    assert server.last("POST").body == {"ttl_s": 900.0, "node_id": "gpu-8", "labels": {"disk": "ssd"}, "zone": "b"}


def test_join_tokens_are_listed_and_revoked(roundhouse: Command, server: Scripted) -> None:
    server.items("/api/v1/join-tokens", TOKEN)
    server.on("DELETE", f"/api/v1/join-tokens/{TOKEN['id']}", b"", status=204)

    assert "disk=ssd" in roundhouse("nodes", "join-token", "ls").out
    assert roundhouse("nodes", "join-token", "rm", "00000111").code == 0
    assert server.last("DELETE").path.endswith(str(TOKEN["id"]))

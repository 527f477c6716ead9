"""`roundhouse engines`: what is asked of the scheduler, and what people see of it."""

from typing import Any

import pytest

from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted

NODE = {"id": "nod_gpu7", "hostname": "gpu-7"}
ON_NODE: dict[str, Any] = {
    "node_id": "nod_gpu7",
    "hostname": "gpu-7",
    "state": "ready",
    "step": "",
    "detail": "",
    "environment_id": "vllm-0.32.0-cuda",
    "version": "0.32.0",
    "log_tail": [],
}
ORDER: dict[str, Any] = {
    "id": "eor_0197aa00000070008000000000000111",
    "engine": "vllm",
    "version": "0.32.0",
    "variant": "",
    "method": "environment",
    "path": "",
    "image": "",
    "nodes": {"node_ids": ["nod_gpu7"], "labels": {}, "all": False},
    "is_removed": False,
    "attempt": 1,
    "actor": "user:admin",
    "created_at": "2026-11-21T09:00:00.000Z",
    "changed_at": "2026-11-21T09:00:00.000Z",
    "on_nodes": [ON_NODE],
}
ENGINE: dict[str, Any] = {
    **ON_NODE,
    "engine": "vllm",
    "variant": "cuda",
    "method": "environment",
    "origin": "installed by an order",
    "size_bytes": 9 * 2**30,
    "since": "2026-11-21T09:00:00.000Z",
    "order_id": ORDER["id"],
}
ORDERS = "/api/v1/engine-orders"
ONE = f"{ORDERS}/{ORDER['id']}"


@pytest.fixture
def fleet(server: Scripted) -> Scripted:
    server.items("/api/v1/nodes", NODE)
    return server


@pytest.mark.contract("A04")
def test_a_listing_says_what_each_node_has(roundhouse: Command, fleet: Scripted) -> None:
    fleet.items("/api/v1/engines", ENGINE)

    line = roundhouse("engines", "ls", "--node", "gpu-7").out.splitlines()[1]

    for word in ("gpu-7", "vllm", "0.32.0", "cuda", "ready", "9.0 GiB", "vllm-0.32.0-cuda", "installed by an order"):
        assert word in line
    assert fleet.last("GET").query["node"] == "nod_gpu7"


def test_an_installation_is_ordered_and_watched_to_its_end(roundhouse: Command, fleet: Scripted) -> None:
    fleet.on("POST", ORDERS, {**ORDER, "on_nodes": [{**ON_NODE, "state": "ordered"}]}, status=201)
    fleet.on("GET", ONE, {**ORDER, "on_nodes": [{**ON_NODE, "state": "installing", "step": "installing 151 packages"}]})
    fleet.on("GET", ONE, ORDER)

    result = roundhouse("engines", "install", "vllm", "--version", "0.32.0", "--node", "gpu-7")

    assert result.code == 0
    assert "vllm is installed on 1 node." in result.err
    body = fleet.last("POST").body
    assert (body["engine"], body["version"], body["method"]) == ("vllm", "0.32.0", "environment")
    assert body["nodes"] == {"node_ids": ["nod_gpu7"]}


def test_a_failed_installation_ends_the_command_with_its_cause(roundhouse: Command, fleet: Scripted) -> None:
    failed = {**ON_NODE, "state": "failed", "detail": "the package index lacks vllm 9.9.9"}
    fleet.on("POST", ORDERS, {**ORDER, "on_nodes": []}, status=201)
    fleet.on("GET", ONE, {**ORDER, "on_nodes": [failed]})

    result = roundhouse.fails("engines", "install", "vllm", "--version", "9.9.9", "--all")

    assert result.code == 1
    assert "gpu-7: the package index lacks vllm 9.9.9" in result.err
    assert fleet.last("POST").body["nodes"] == {"all": True}


@pytest.mark.parametrize(
    ("options", "method", "nodes"),
    [
        (("--path", "/opt/vllm", "--label", "disk=ssd"), "path", {"labels": {"disk": "ssd"}}),
        (("--image", "vllm/vllm-openai:v0.32.0", "--all"), "image", {"all": True}),
    ],
)
def test_an_engine_may_be_there_already_or_come_as_an_image(
    roundhouse: Command, fleet: Scripted, options: tuple[str, ...], method: str, nodes: dict[str, Any]
) -> None:
    fleet.on("POST", ORDERS, ORDER, status=201)

    assert roundhouse("engines", "install", "vllm", *options, "--detach").code == 0

    body = fleet.last("POST").body
    assert body["method"] == method
    assert body["nodes"] == nodes


@pytest.mark.parametrize("options", [(), ("--all", "--node", "gpu-7")])
def test_nodes_are_named_in_exactly_one_way(roundhouse: Command, fleet: Scripted, options: tuple[str, ...]) -> None:
    result = roundhouse.fails("engines", "install", "vllm", *options)

    assert result.code == 2
    assert "--node, --label and --all" in result.err


def test_the_order_of_an_engine_is_removed_by_its_name(roundhouse: Command, fleet: Scripted) -> None:
    fleet.items(ORDERS, ORDER, {**ORDER, "id": "eor_2", "engine": "sglang"})
    fleet.on("DELETE", ONE, {**ORDER, "is_removed": True}, status=202)

    result = roundhouse("engines", "rm", "vllm")

    assert result.code == 0
    assert fleet.last("DELETE").path == ONE
    assert "vllm 0.32.0 goes from gpu-7 when nothing runs in it." in result.err


def test_several_orders_of_an_engine_are_told_apart(roundhouse: Command, fleet: Scripted) -> None:
    fleet.items(ORDERS, ORDER, {**ORDER, "id": "eor_0197aa00000070008000000000000222", "version": "0.31.0"})
    fleet.on("DELETE", ONE, ORDER, status=202)

    assert "ordered 2 times" in roundhouse.fails("engines", "rm", "vllm").err
    assert roundhouse("engines", "rm", "vllm", "--version", "0.32.0").code == 0


def test_what_was_never_ordered_is_named(roundhouse: Command, fleet: Scripted) -> None:
    fleet.items(ORDERS)

    assert "ollama was not ordered" in roundhouse.fails("engines", "retry", "ollama").err


def test_orders_show_how_many_nodes_are_done(roundhouse: Command, fleet: Scripted) -> None:
    fleet.items(ORDERS, {**ORDER, "on_nodes": [ON_NODE, {**ON_NODE, "state": "installing"}]})

    line = roundhouse("engines", "orders").out.splitlines()[1]

    assert "1 of 2" in line
    assert "gpu-7" in line


def test_the_log_of_an_installation_is_printed(roundhouse: Command, fleet: Scripted) -> None:
    fleet.items("/api/v1/engines", ENGINE)
    fleet.on(
        "GET",
        "/api/v1/nodes/nod_gpu7/engines/vllm-0.32.0-cuda/log",
        {"offset": 0, "next_offset": 9, "text": "one\ntwo\n", "is_truncated": False, "error": ""},
    )

    assert roundhouse("engines", "logs", "vllm-0.32.0-cuda").out == "one\ntwo\n"
    assert "No node has 'vllm-1'" in roundhouse.fails("engines", "logs", "vllm-1").err


def test_orders_by_path_are_told_apart_by_it(roundhouse: Command, fleet: Scripted) -> None:
    places = [
        {**ORDER, "id": f"eor_{name}", "version": "", "method": "path", "path": f"/opt/{name}"}
        for name in ("old", "new")
    ]
    fleet.items(ORDERS, *places)

    shown = roundhouse("engines", "orders").out.splitlines()[1:]

    assert ["/opt/old" in shown[0], "/opt/new" in shown[1]] == [True, True]
    assert "newest" not in "".join(shown)
    assert "/opt/old (eor_old)" in roundhouse.fails("engines", "rm", "vllm").err


def test_an_order_of_another_engine_is_not_removed(roundhouse: Command, fleet: Scripted) -> None:
    fleet.items(ORDERS, ORDER)

    assert "is for vllm, not for sglang" in roundhouse.fails("engines", "rm", "sglang", "--order", "00000111").err
    assert [asked.method for asked in fleet.asked] == ["GET"]

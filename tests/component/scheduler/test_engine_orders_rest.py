"""Orders for engines over REST, from the wish to what nodes are told and back, on both databases."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from roundhouse_common.auth import Role
from roundhouse_common.contracts.node import LogChunk, LogQuery
from roundhouse_common.contracts.provisioning import EnvironmentState, InstallMethod, NodeOrders
from roundhouse_common.contracts.registry import ORDERS, READ_LOG, STORES
from roundhouse_common.contracts.scheduler import NodeAdmission
from roundhouse_common.database import Database
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.rows import add
from tests.component.scheduler.running import Running, running, who
from tests.support.eventually import eventually
from tests.support.provisioning import a_store, an_environment
from tests.support.scheduler import a_node, an_inventory

ORDER = {"engine": "vllm", "version": "0.32.0", "nodes": {"all": True}}


@pytest_asyncio.fixture
async def scheduler(scheduler_db: Database) -> AsyncIterator[Running]:
    """Two nodes that were let in, one with a label, and one that waits for approval."""
    async with scheduler_db.write() as session:
        await add(session, tables.nodes, a_node("nod_1", inventory=an_inventory(hostname="one", labels={"gpu": "a"})))
        await add(session, tables.nodes, a_node("nod_2", inventory=an_inventory(hostname="two")))
        await add(session, tables.nodes, a_node("nod_3", admission=NodeAdmission.PENDING))
    async with running(scheduler_db) as started:
        await started.core.planner.step()
        started.core.stores.take({})
        yield started


async def told(scheduler: Running, node_id: str) -> NodeOrders | None:
    """Look once, and read what the node would."""
    await scheduler.core.provisioning.look()
    async with scheduler.node(node_id) as bus:
        entry = await bus.bucket(ORDERS).get(node_id)
    return entry.value if entry is not None else None


async def report(scheduler: Running, store: Any) -> None:
    """The node says what it keeps."""
    async with scheduler.node(store.node_id) as bus:
        await bus.bucket(STORES).put(store.node_id, store)
    scheduler.core.stores.take({store.node_id: store})


async def lines(scheduler: Running, node_id: str) -> list[tuple[Any, ...]]:
    items = (await scheduler.get(f"/nodes/{node_id}/events")).json()["items"]
    return [(item["kind"], item["after"], item["detail"], item["actor"]) for item in items]


async def test_an_order_is_told_to_its_nodes_and_shown_with_how_far_each_is(scheduler: Running) -> None:
    made = await scheduler.post("/engine-orders", ORDER)
    assert made.status_code == 201
    order = made.json()
    assert made.headers["location"] == f"/api/v1/engine-orders/{order['id']}"
    assert [(node["hostname"], node["state"]) for node in order["on_nodes"]] == [("one", "ordered"), ("two", "ordered")]
    document = await told(scheduler, "nod_1")
    assert document is not None
    assert [(item.order_id, item.version, item.is_removed) for item in document.engines] == [
        (order["id"], "0.32.0", False)
    ]
    assert await told(scheduler, "nod_3") is None
    busy = an_environment(order["id"], state=EnvironmentState.INSTALLING, step="installing 151 packages")
    await report(scheduler, a_store("nod_1", engines=(busy,), orders_revision=document.revision))
    shown = (await scheduler.get(f"/engine-orders/{order['id']}")).json()
    assert [(node["state"], node["step"]) for node in shown["on_nodes"]] == [
        ("installing", "installing 151 packages"),
        ("ordered", ""),
    ]
    assert (await scheduler.get("/engine-orders")).json()["items"] == [shown]
    found = (await scheduler.get("/engines", engine="vllm", node="nod_1")).json()["items"]
    assert [(item["hostname"], item["environment_id"], item["order_id"]) for item in found] == [
        ("one", "vllm-0.32.0-cpu", order["id"])
    ]
    assert (await scheduler.get("/engines", engine="sglang")).json()["items"] == []
    assert await lines(scheduler, "nod_1") == [
        ("node.engine", "ordered", "vllm 0.32.0, for all nodes", "user:usr_admin")
    ]
    assert await lines(scheduler, "nod_3") == [
        ("node.engine", "ordered", "vllm 0.32.0, for all nodes", "user:usr_admin")
    ]


async def test_the_document_of_a_node_changes_only_with_what_it_says(scheduler: Running) -> None:
    await scheduler.post("/engine-orders", ORDER | {"nodes": {"labels": {"gpu": "a"}}})
    first = await told(scheduler, "nod_1")
    assert await told(scheduler, "nod_1") == first
    assert await told(scheduler, "nod_2") is None
    await scheduler.patch("/nodes/nod_2", {"labels": {"gpu": "a"}})
    await scheduler.core.planner.step()
    later = await told(scheduler, "nod_2")
    assert later is not None
    assert len(later.engines) == 1
    assert await told(scheduler, "nod_1") == first


async def test_a_removal_is_told_until_every_node_has_reported_that_it_is_gone(scheduler: Running) -> None:
    order = (await scheduler.post("/engine-orders", ORDER)).json()
    await told(scheduler, "nod_1")
    gone = await scheduler.delete(f"/engine-orders/{order['id']}")
    assert (gone.status_code, gone.json()["is_removed"]) == (202, True)
    document = await told(scheduler, "nod_1")
    assert document is not None
    assert [item.is_removed for item in document.engines] == [True]
    await report(scheduler, a_store("nod_1", orders_revision=document.revision, engines=(an_environment(order["id"]),)))
    await told(scheduler, "nod_1")
    await report(scheduler, a_store("nod_1", orders_revision=document.revision, sequence=2))
    after = await told(scheduler, "nod_1")
    after = await told(scheduler, "nod_1")
    assert after is not None
    assert after.engines == ()
    shown = (await scheduler.get(f"/engine-orders/{order['id']}")).json()
    assert [node["state"] for node in shown["on_nodes"]] == ["gone", "ordered"]
    assert [line[1:] for line in await lines(scheduler, "nod_1")] == [
        ("ordered", "vllm 0.32.0, for all nodes", "user:usr_admin"),
        ("removed", "vllm 0.32.0, for all nodes", "user:usr_admin"),
        ("gone", "vllm 0.32.0", "service:node-agent"),
    ]
    other = await told(scheduler, "nod_2")
    assert other is not None
    await report(scheduler, a_store("nod_2", orders_revision=other.revision))
    await told(scheduler, "nod_2")
    assert (await scheduler.get("/engine-orders")).json()["items"] == []


async def test_a_removed_node_does_not_hold_a_removal_up(scheduler: Running) -> None:
    order = (await scheduler.post("/engine-orders", ORDER | {"nodes": {"node_ids": ["nod_2"]}})).json()
    await scheduler.delete(f"/engine-orders/{order['id']}")
    await told(scheduler, "nod_2")
    assert (await scheduler.get(f"/engine-orders/{order['id']}")).status_code == 200
    await scheduler.delete("/nodes/nod_2")
    await scheduler.core.planner.step()
    await told(scheduler, "nod_2")
    assert (await scheduler.get(f"/engine-orders/{order['id']}")).status_code == 404


async def test_the_same_order_again_is_the_one_there_is(scheduler: Running) -> None:
    order = (await scheduler.post("/engine-orders", ORDER)).json()
    again = await scheduler.post("/engine-orders", ORDER)
    assert (again.status_code, again.json()["id"]) == (200, order["id"])
    assert len(await lines(scheduler, "nod_1")) == 1
    by_name = await scheduler.post("/engine-orders", ORDER | {"nodes": {"node_ids": ["nod_1"]}})
    assert (by_name.status_code, by_name.json()["code"]) == (409, "already_ordered")
    assert order["id"] in by_name.json()["detail"]
    assert (await scheduler.post("/engine-orders", ORDER | {"nodes": {"labels": {"gpu": "a"}}})).status_code == 201
    other = ORDER | {"version": "0.31.0", "nodes": {"node_ids": ["nod_1"]}}
    assert (await scheduler.post("/engine-orders", other)).status_code == 201
    document = await told(scheduler, "nod_1")
    assert document is not None
    assert len(document.engines) == 2


async def test_what_another_order_has_come_to_says_nothing_of_this_one(scheduler: Running) -> None:
    pinned = (await scheduler.post("/engine-orders", ORDER)).json()
    old = {"engine": "vllm", "method": "path", "path": "/opt/old", "nodes": {"all": True}}
    wrong = (await scheduler.post("/engine-orders", old)).json()
    at_path = an_environment(
        wrong["id"], environment_id="vllm-path-1", method=InstallMethod.PATH, version="", state=EnvironmentState.FAILED
    )
    await report(scheduler, a_store("nod_1", engines=(an_environment(pinned["id"]), at_path)))

    newest = await scheduler.post("/engine-orders", {"engine": "vllm", "nodes": {"all": True}})
    assert newest.json()["on_nodes"][0]["state"] == "ordered", "an older version was taken for the newest"
    elsewhere = await scheduler.post("/engine-orders", old | {"path": "/opt/new"})
    assert elsewhere.json()["on_nodes"][0]["state"] == "ordered", "another path was taken for this one"

    by_label = old | {"nodes": {"labels": {"gpu": "a"}}}
    assert (await scheduler.post("/engine-orders", by_label)).json()["on_nodes"][0]["state"] == "failed"


async def test_a_retry_is_a_new_attempt(scheduler: Running) -> None:
    order = (await scheduler.post("/engine-orders", ORDER)).json()
    failed = an_environment(order["id"], state=EnvironmentState.FAILED, detail="no space", log_tail=("disk full",))
    await report(scheduler, a_store("nod_1", engines=(failed,)))
    shown = (await scheduler.get(f"/engine-orders/{order['id']}")).json()["on_nodes"][0]
    assert (shown["state"], shown["detail"], shown["log_tail"]) == ("failed", "no space", ["disk full"])
    again = await scheduler.post(f"/engine-orders/{order['id']}:retry")
    assert (again.status_code, again.json()["attempt"]) == (202, 2)
    assert again.json()["on_nodes"][0]["state"] == "ordered"
    document = await told(scheduler, "nod_1")
    assert document is not None
    assert document.engines[0].attempt == 2


async def test_a_write_with_a_key_happens_once(scheduler: Running) -> None:
    headers = scheduler.headers() | {"idempotency-key": "k1"}
    first = await scheduler.http.post("/api/v1/engine-orders", json=ORDER, headers=headers)
    again = await scheduler.http.post("/api/v1/engine-orders", json=ORDER, headers=headers)
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    other = await scheduler.http.post("/api/v1/engine-orders", json=ORDER | {"version": "1"}, headers=headers)
    assert other.json()["code"] == "idempotency_key_reused"


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"engine": "vlm"}, "engine", 'Did you mean "vllm"?'),
        ({"engine": "custom"}, "engine", "allowed are llama.cpp, vllm"),
        ({"version": "0.32 0; rm"}, "version", "a version looks like"),
        ({"variant": "CPU"}, "variant", "a variant is a word like"),
        ({"method": "copy"}, "method", "allowed are environment, path, image"),
        ({"path": "/opt/vllm"}, "path", "only the method path takes one"),
        ({"image": "vllm:1"}, "image", "only the method image takes one"),
        ({"method": "path"}, "path", "state an absolute path"),
        ({"method": "path", "path": "opt/vllm"}, "path", "state an absolute path"),
        ({"method": "path", "path": "/opt/../etc"}, "path", "state an absolute path"),
        ({"method": "image", "image": "-v /:/host"}, "image", "state the image"),
        ({"nodes": {}}, "nodes", "none of them found; state exactly one"),
        ({"nodes": {"all": True, "labels": {"a": "b"}}}, "nodes", "labels and all found"),
        ({"nodes": {"node_ids": ["nod_4"]}}, "nodes.node_ids.0", 'Did you mean "nod_3"'),
    ],
)
async def test_what_cannot_be_is_refused_by_its_field(
    scheduler: Running, change: dict[str, Any], field: str, words: str
) -> None:
    refused = await scheduler.post("/engine-orders", ORDER | change)
    assert refused.status_code == 422
    (error,) = [item for item in refused.json()["errors"] if item["field"] == field]
    assert words in error["message"]
    assert (await scheduler.get("/engine-orders")).json()["items"] == []


async def test_who_may_only_look_orders_nothing(scheduler: Running) -> None:
    user = who(role=Role.VIEWER)
    assert (await scheduler.get("/engines", subject=user)).status_code == 200
    assert (await scheduler.post("/engine-orders", ORDER, subject=user)).status_code == 403


async def test_an_order_that_is_not_there_is_not_found(scheduler: Running) -> None:
    missing = await scheduler.post("/engine-orders/eor_9:retry")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert "`GET /api/v1/engine-orders` lists them" in missing.json()["detail"]


async def test_the_log_of_an_installation_is_read_from_its_node(scheduler: Running) -> None:
    async def read(query: LogQuery, _ids: tuple[str, ...]) -> LogChunk:
        return LogChunk(replica_id=query.replica_id, offset=0, next_offset=3, text=f"tail {query.tail}")

    silent = await scheduler.get("/nodes/nod_1/engines/vllm-0.32.0-cpu/log")
    assert (silent.status_code, silent.json()["code"]) == (503, "node_unavailable")
    async with scheduler.node("nod_1") as bus:
        await bus.serve(READ_LOG, read, "nod_1")
        found = (await scheduler.get("/nodes/nod_1/engines/vllm-0.32.0-cpu/log", tail=7)).json()
    assert (found["environment_id"], found["text"], found["next_offset"]) == ("vllm-0.32.0-cpu", "tail 7", 3)
    assert (await scheduler.get("/nodes/nod_1/engines/..%2Fx/log")).status_code in (404, 422)


async def test_a_lost_bus_is_told_again_from_sql(scheduler: Running) -> None:
    await scheduler.post("/engine-orders", ORDER)
    before = await told(scheduler, "nod_1")
    async with scheduler.node("nod_1") as bus:
        assert await bus.bucket(ORDERS).get("nod_1") is not None
    scheduler.broker.stop()
    scheduler.broker.wipe()
    scheduler.broker.start()
    await eventually(lambda: scheduler.bus.is_connected)
    answer = await scheduler.post("/bus:rebuild")
    assert answer.json()["written"]["orders"] == 2
    async with scheduler.node("nod_1") as bus:
        entry = await bus.bucket(ORDERS).get("nod_1")
    assert entry is not None
    assert entry.value == before


async def test_a_scheduler_that_does_not_know_the_nodes_yet_ends_and_tells_nothing(scheduler: Running) -> None:
    order = (await scheduler.post("/engine-orders", ORDER)).json()
    before = await told(scheduler, "nod_1")
    await scheduler.delete(f"/engine-orders/{order['id']}")
    await scheduler.core.leadership.release()
    async with running(scheduler.db) as successor:
        await successor.core.leadership.look()
        assert successor.core.leadership.is_leading
        await successor.core.provisioning.look()
        await successor.core.planner.step()
        await successor.core.provisioning.look()
        assert (await successor.get(f"/engine-orders/{order['id']}")).status_code == 200
        successor.core.stores.take({})
        document = await told(successor, "nod_1")
    assert before is not None
    assert document is not None
    assert document.revision > before.revision
    assert [item.is_removed for item in document.engines] == [True]


async def test_the_order_in_which_nodes_are_named_makes_no_other_order(scheduler: Running) -> None:
    first = await scheduler.post("/engine-orders", ORDER | {"nodes": {"node_ids": ["nod_2", "nod_1"]}})
    again = await scheduler.post("/engine-orders", ORDER | {"nodes": {"node_ids": ["nod_1", "nod_2", "nod_1"]}})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["nodes"]["node_ids"] == ["nod_1", "nod_2"]

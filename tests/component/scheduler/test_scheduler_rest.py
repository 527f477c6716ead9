"""The REST API in process, on both databases."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from roundhouse_common.auth import Role
from roundhouse_common.contracts.catalog import DeploymentChange, DeploymentChanged, DeploymentDesired
from roundhouse_common.contracts.node import LogChunk, LogQuery
from roundhouse_common.contracts.registry import READ_LOG
from roundhouse_common.contracts.scheduler import Phase, Reason
from roundhouse_common.database import Database
from roundhouse_scheduler.domain.records import NodeState, Rejection, RejectionReason
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.rows import add, replace, replica_from
from roundhouse_scheduler.store.specs import take_specs
from roundhouse_scheduler.store.timeline import note_changes
from tests.component.scheduler.running import Running, running, who
from tests.component.scheduler.test_scheduler_store import AT, a_spec
from tests.support.scheduler import GIB, a_node, a_replica


@pytest_asyncio.fixture
async def scheduler(scheduler_db: Database) -> AsyncIterator[Running]:
    """Two nodes, one of them late; a deployment with a ready, a pending and an ended replica."""
    no = Rejection(node_id="nod_2", reason=RejectionReason.MEMORY, detail="needs 1.0 GiB, 0.1 GiB free of 0.5 GiB")
    async with scheduler_db.write() as session:
        await take_specs(session, [a_spec(replicas=2)], at=AT)
        await add(session, tables.nodes, a_node("nod_1"))
        await add(session, tables.nodes, a_node("nod_2", state=NodeState.LATE))
        for replica in (
            a_replica(
                "rep_1",
                node_id="nod_1",
                phase=Phase.READY,
                reason=Reason.ENGINE_READY,
                is_serving=True,
                memory_bytes=GIB - 5,
            ),
            a_replica("rep_2", reason=Reason.NO_FEASIBLE_NODE, detail=no.detail, rejections=(no,)),
            a_replica("rep_3", node_id="nod_1", phase=Phase.STOPPED, ended_at=AT),
        ):
            await add(session, tables.replicas, replica)
    async with running(scheduler_db) as started:
        yield started


@pytest.mark.contract("C08")
async def test_nodes_show_what_they_have_and_what_is_claimed(scheduler: Running) -> None:
    items = (await scheduler.get("/nodes")).json()["items"]
    assert [(item["id"], item["state"], item["replicas_count"]) for item in items] == [
        ("nod_1", "ready", 1),
        ("nod_2", "late", 0),
    ]
    assert (items[0]["claimed_memory_bytes"], items[0]["memory_free_bytes"]) == (GIB, 15 * GIB)
    assert (await scheduler.get("/nodes/nod_1")).json() == items[0]
    assert (await scheduler.get("/nodes/nod_9")).status_code == 404


async def test_replicas_show_phase_reason_and_why_not_per_node(scheduler: Running) -> None:
    items = (await scheduler.get("/replicas", deployment_id="dep_1")).json()["items"]
    assert [(item["id"], item["phase"], item["reason"]) for item in items] == [
        ("rep_1", "ready", "engine-ready"),
        ("rep_2", "pending", "no-feasible-node"),
    ]
    assert items[1]["rejections"] == [
        {"node_id": "nod_2", "device_uuid": "", "reason": "memory", "detail": "needs 1.0 GiB, 0.1 GiB free of 0.5 GiB"}
    ]
    assert items[0]["deployment_name"] == "chat"
    assert "engine_api_key" not in items[0]


async def test_replicas_show_what_they_claim_and_what_they_were_measured_to_take(scheduler: Running) -> None:
    items = (await scheduler.get("/replicas", deployment_id="dep_1")).json()["items"]
    assert [(item["memory_claimed_bytes"], item["memory_measured_bytes"]) for item in items] == [
        (GIB, GIB - 5),
        (GIB, None),
    ]


async def test_ended_replicas_are_history(scheduler: Running) -> None:
    everything = (await scheduler.get("/replicas", ended="true")).json()["items"]
    assert [item["id"] for item in everything] == ["rep_1", "rep_2", "rep_3"]
    assert (await scheduler.get("/replicas/rep_3")).json()["ended_at"] is not None
    on_node = (await scheduler.get("/replicas", node_id="nod_1")).json()["items"]
    assert [item["id"] for item in on_node] == ["rep_1"]


async def test_pages_follow_one_another(scheduler: Running) -> None:
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 1, "ended": "true"}
    while True:
        page = (await scheduler.get("/replicas", **query)).json()
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == ["rep_1", "rep_2", "rep_3"]


@pytest.mark.contract("B01")
async def test_the_state_of_a_deployment_says_why(scheduler: Running) -> None:
    status = (await scheduler.get("/deployments/dep_1/status")).json()
    assert (status["state"], status["replicas_wanted"], status["replicas_ready"]) == ("Running", 2, 1)
    assert "no-feasible-node" in status["why"]
    assert (await scheduler.get("/deployment-statuses")).json()["items"] == [status]
    assert (await scheduler.get("/deployments/dep_9/status")).status_code == 404


async def test_a_deleted_deployment_is_not_listed_and_its_timeline_can_still_be_read(scheduler: Running) -> None:
    async with scheduler.db.write() as session:
        await take_specs(session, [a_spec(generation=2, desired=DeploymentDesired.DELETE)], at=AT)
    assert (await scheduler.get("/deployment-statuses")).json()["items"] == []
    assert (await scheduler.get("/deployments/dep_1/events")).status_code == 200


async def test_the_timeline_is_read_in_order_page_by_page(scheduler: Running) -> None:
    changes = [
        DeploymentChanged(
            event_id=f"evt_{number}",
            at=AT + number // 2,
            deployment_id="dep_1",
            generation=number,
            change=DeploymentChange.SCALED,
            actor="user:usr_admin",
        )
        for number in range(1, 6)
    ]
    async with scheduler.db.write() as session:
        await note_changes(session, changes)
    await scheduler.core.planner.step()
    whole = (await scheduler.get("/deployments/dep_1/events")).json()["items"]
    assert [item["id"] for item in whole[:5]] == [change.event_id for change in changes]
    assert (whole[5]["kind"], whole[5]["after"]) == ("replica.phase", "assigned")
    first = (await scheduler.get("/deployments/dep_1/events", limit=2)).json()
    rest = (await scheduler.get("/deployments/dep_1/events", cursor=first["next_cursor"])).json()
    assert first["items"] + rest["items"] == whole


async def test_other_tenants_see_nothing(scheduler: Running) -> None:
    stranger = who(tenant_id="ten_other")
    assert (await scheduler.get("/replicas", subject=stranger)).json()["items"] == []
    assert (await scheduler.get("/deployment-statuses", subject=stranger)).json()["items"] == []
    for path in ("/replicas/rep_1", "/replicas/rep_1/log", "/deployments/dep_1/status", "/deployments/dep_1/events"):
        assert (await scheduler.get(path, subject=stranger)).status_code == 404


async def test_without_a_token_or_the_right_nothing_is_shown_or_done(scheduler: Running) -> None:
    viewer = who(role=Role.VIEWER)
    assert (await scheduler.http.get("/api/v1/nodes")).status_code == 401
    assert (await scheduler.get("/nodes", subject=viewer)).status_code == 200
    assert (await scheduler.post("/bus:rebuild", subject=viewer)).status_code == 403
    assert (await scheduler.post("/nodes/nod_2:give-up", subject=viewer)).status_code == 403


async def test_only_a_silent_node_can_be_given_up(scheduler: Running) -> None:
    heard = await scheduler.post("/nodes/nod_1:give-up")
    assert (heard.status_code, heard.json()["code"]) == (409, "node_is_heard")
    assert (await scheduler.post("/nodes/nod_2:give-up")).status_code == 204


async def test_a_rebuild_writes_every_bucket_again(scheduler: Running) -> None:
    await scheduler.core.planner.step()  # before the first plan of a leader routers are told nothing
    answer = await scheduler.post("/bus:rebuild")
    assert answer.json() == {"written": {"endpoints": 1, "assignments": 2, "orders": 0}}


@pytest.mark.contract("B02")
async def test_logs_are_read_from_the_node(scheduler: Running) -> None:
    async def answer(query: LogQuery, _ids: tuple[str, ...]) -> LogChunk:
        return LogChunk(replica_id=query.replica_id, offset=0, next_offset=6, text="hello\n")

    async with scheduler.node("nod_1") as bus:
        await bus.serve(READ_LOG, answer, "nod_1")
        log = (await scheduler.get("/replicas/rep_1/log", tail=5)).json()
    assert (log["text"], log["next_offset"]) == ("hello\n", 6)


async def test_a_log_without_a_node_says_why_and_a_silent_node_is_503(scheduler: Running) -> None:
    assert "no node yet" in (await scheduler.get("/replicas/rep_2/log")).json()["error"]
    assert (await scheduler.get("/replicas/rep_1/log")).status_code == 503


@pytest.mark.contract("B02")
async def test_following_a_log_gives_each_line_once_and_ends_with_the_replica(scheduler: Running) -> None:
    text = b"one\ntwo\nthree\n"
    asked: list[int] = []

    async def answer(query: LogQuery, _ids: tuple[str, ...]) -> LogChunk:
        asked.append(query.offset)
        start = max(query.offset, 0)
        part = text[start : start + 4]
        if start >= len(text):
            await end_of(scheduler)
        return LogChunk(replica_id="rep_1", offset=start, next_offset=start + len(part), text=part.decode())

    async with scheduler.node("nod_1") as bus:
        await bus.serve(READ_LOG, answer, "nod_1")
        followed = await scheduler.get("/replicas/rep_1/log:follow")
    assert followed.text == text.decode()
    assert asked[0] == -1


async def end_of(scheduler: Running) -> None:
    async with scheduler.db.write() as session:
        rows = await session.execute(tables.replicas.select().where(tables.replicas.c.replica_id == "rep_1"))
        before = replica_from(rows.one())
        if before.ended_at is None:
            ended = msgspec.structs.replace(before, phase=Phase.STOPPED, ended_at=AT)
            await replace(session, tables.replicas, ended)

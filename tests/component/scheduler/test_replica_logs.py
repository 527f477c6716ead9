"""Logs of replicas that live, that have moved, and that are dead."""

from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

from roundhouse_common.contracts.node import LogChunk, LogQuery
from roundhouse_common.contracts.registry import READ_LOG
from roundhouse_common.contracts.scheduler import Phase
from roundhouse_common.database import Database
from roundhouse_scheduler.domain.records import Refusal, Replica
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.rows import add, replace, replica_from
from roundhouse_scheduler.store.specs import take_specs
from tests.component.scheduler.running import Running, running
from tests.component.scheduler.test_scheduler_store import AT, a_spec
from tests.support.scheduler import a_node, a_replica

CRASHED = Refusal(node_id="nod_1", detail="it failed 3 times in a row here", until=AT + 600.0, is_soft=True)


@pytest_asyncio.fixture
async def scheduler(scheduler_db: Database) -> AsyncIterator[Running]:
    async with scheduler_db.write() as session:
        await take_specs(session, [a_spec(replicas=2)], at=AT)
        for node_id in ("nod_1", "nod_2"):
            await add(session, tables.nodes, a_node(node_id))
        for replica in (
            a_replica("rep_live", node_id="nod_1", phase=Phase.READY),
            a_replica("rep_ended", node_id="nod_1", phase=Phase.STOPPED, ended_at=AT),
            a_replica("rep_spent", node_id="nod_1", phase=Phase.FAILED, is_spent=True),
            a_replica("rep_moving", refusals=(CRASHED,)),
        ):
            await add(session, tables.replicas, replica)
    async with running(scheduler_db) as started:
        yield started


class Logs:
    """The logs that a node keeps, by replica."""

    def __init__(self, **texts: str) -> None:
        self.texts = texts
        self.asked: list[int] = []

    async def answer(self, query: LogQuery, _ids: tuple[str, ...]) -> LogChunk:
        self.asked.append(query.offset)
        text = self.texts.get(query.replica_id, "")
        offset = max(query.offset, 0)
        return LogChunk(replica_id=query.replica_id, offset=offset, next_offset=len(text), text=text[offset:])


async def change(scheduler: Running, replica_id: str, **changes: object) -> None:
    async with scheduler.db.write() as session:
        rows = await session.execute(tables.replicas.select().where(tables.replicas.c.replica_id == replica_id))
        before: Replica = replica_from(rows.one())
        await replace(session, tables.replicas, msgspec.structs.replace(before, **changes))


@pytest.mark.contract("B02")
@pytest.mark.parametrize("replica_id", ["rep_live", "rep_ended", "rep_spent"])
async def test_the_log_of_a_dead_replica_is_read_as_that_of_a_live_one(scheduler: Running, replica_id: str) -> None:
    logs = Logs(**{replica_id: "it is all here\n"})
    async with scheduler.node("nod_1") as bus:
        await bus.serve(READ_LOG, logs.answer, "nod_1")
        whole = (await scheduler.get(f"/replicas/{replica_id}/log")).json()
        rest = (await scheduler.get(f"/replicas/{replica_id}/log", offset=3)).json()
    assert (whole["text"], rest["text"]) == ("it is all here\n", "is all here\n")


@pytest.mark.contract("B08")
async def test_the_log_of_a_replica_that_moved_is_still_on_the_node_that_it_left(scheduler: Running) -> None:
    logs = Logs(rep_moving="why it crashed\n")
    async with scheduler.node("nod_1") as bus:
        await bus.serve(READ_LOG, logs.answer, "nod_1")
        said = (await scheduler.get("/replicas/rep_moving/log")).json()["error"]
        found = (await scheduler.get("/replicas/rep_moving/log", node_id="nod_1")).json()
    assert "ask with node_id=nod_1" in said
    assert found["text"] == "why it crashed\n"


async def test_a_node_that_does_not_answer_is_named(scheduler: Running) -> None:
    answer = await scheduler.get("/replicas/rep_ended/log")
    assert (answer.status_code, answer.json()["code"]) == (503, "log_unavailable")
    assert "node nod_1 does not answer" in answer.json()["detail"]


@pytest.mark.contract("B02")
async def test_a_followed_log_begins_anew_on_another_node(scheduler: Running) -> None:
    async def answer_and_move(query: LogQuery, ids: tuple[str, ...]) -> LogChunk:
        await change(scheduler, "rep_live", node_id="nod_2")
        return await before.answer(query, ids)

    async def answer_and_end(query: LogQuery, ids: tuple[str, ...]) -> LogChunk:
        await change(scheduler, "rep_live", ended_at=AT)
        return await after.answer(query, ids)

    before, after = Logs(rep_live="a long log here\n"), Logs(rep_live="anew\n")
    async with scheduler.node("nod_1") as one, scheduler.node("nod_2") as two:
        await one.serve(READ_LOG, answer_and_move, "nod_1")
        await two.serve(READ_LOG, answer_and_end, "nod_2")
        followed = await scheduler.get("/replicas/rep_live/log:follow")
    assert followed.text == "a long log here\nanew\n"
    assert after.asked == [0, len("anew\n")]

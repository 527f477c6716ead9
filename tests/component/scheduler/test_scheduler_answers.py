"""What nodes are answered, over the bus."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from roundhouse_common.bus.api import RemoteError
from roundhouse_common.contracts.node import Heartbeat
from roundhouse_common.contracts.registry import READ_ASSIGNMENTS, REGISTER_NODE
from roundhouse_common.contracts.scheduler import AssignmentsQuery, RegisterNode
from roundhouse_common.database import Database
from tests.component.scheduler.running import Running, running
from tests.support.scheduler import an_inventory


@pytest_asyncio.fixture
async def scheduler(scheduler_db: Database) -> AsyncIterator[Running]:
    async with running(scheduler_db) as started:
        yield started


def a_registration(incarnation: str, node_id: str = "nod_1") -> RegisterNode:
    return RegisterNode(node_id=node_id, incarnation=incarnation, inventory=an_inventory())


async def test_a_node_is_told_its_epoch_and_how_to_keep_its_lease(scheduler: Running) -> None:
    async with scheduler.node("nod_1") as bus:
        answer = await bus.request(REGISTER_NODE, a_registration("one"), "nod_1")
    assert (answer.epoch, answer.heartbeat_interval_s, answer.lease_s) == (1, 3.0, 15.0)


async def test_the_newest_registration_wins_and_the_older_agent_is_told_so(scheduler: Running) -> None:
    async with scheduler.node("nod_1") as old, scheduler.node("nod_1") as new:
        await old.request(REGISTER_NODE, a_registration("one"), "nod_1")
        await new.request(REGISTER_NODE, a_registration("two"), "nod_1")
        with pytest.raises(RemoteError) as refused:
            await old.request(READ_ASSIGNMENTS, AssignmentsQuery(node_id="nod_1", epoch=1), "nod_1")
        assert refused.value.code == "epoch_superseded"
        document = await new.request(READ_ASSIGNMENTS, AssignmentsQuery(node_id="nod_1", epoch=2), "nod_1")
        assert (document.epoch, document.assignments) == (2, ())


@pytest.mark.parametrize("epoch", [1, 5])
async def test_a_node_or_epoch_that_the_record_lacks_must_register_again(scheduler: Running, epoch: int) -> None:
    async with scheduler.node("nod_1") as bus:
        if epoch > 1:
            await bus.request(REGISTER_NODE, a_registration("one"), "nod_1")
        with pytest.raises(RemoteError) as refused:
            await bus.request(READ_ASSIGNMENTS, AssignmentsQuery(node_id="nod_1", epoch=epoch), "nod_1")
        assert refused.value.code == "not_found"


async def test_a_node_cannot_register_another_one(scheduler: Running) -> None:
    async with scheduler.node("nod_1") as bus:
        with pytest.raises(RemoteError) as refused:
            await bus.request(REGISTER_NODE, a_registration("one", node_id="nod_2"), "nod_1")
        assert refused.value.code == "invalid_input"


async def test_heartbeats_of_an_old_epoch_keep_no_lease(scheduler: Running) -> None:
    async with scheduler.node("nod_1") as bus:
        await bus.request(REGISTER_NODE, a_registration("one"), "nod_1")
        await bus.request(REGISTER_NODE, a_registration("two"), "nod_1")
    hearing = scheduler.core.hearing
    hearing.take_heard()
    for epoch, incarnation in ((1, "one"), (2, "one"), (3, "two")):
        beat = Heartbeat(node_id="nod_1", epoch=epoch, incarnation=incarnation, sequence=1, digest="")
        await hearing.take_heartbeat(beat, ("nod_1",))
    assert hearing.take_heard() == {}
    await hearing.take_heartbeat(
        Heartbeat(node_id="nod_1", epoch=2, incarnation="two", sequence=1, digest=""), ("nod_1",)
    )
    assert list(hearing.take_heard()) == ["nod_1"]

"""Questions: answered once or refused with a reason, never silently lost."""

import asyncio

import pytest

from roundhouse_common.bus.api import BusUnavailable, RemoteError
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.node import Heartbeat, LogChunk, LogQuery
from roundhouse_common.contracts.operations import RebuildBus, Rebuilt
from roundhouse_common.contracts.registry import HEARTBEAT, READ_ASSIGNMENTS, READ_LOG, REPUBLISH_USAGE
from roundhouse_common.contracts.scheduler import AssignmentsQuery, NodeAssignments
from roundhouse_common.errors import Conflict, Forbidden
from tests.component.bus.builders import assignments, heartbeat
from tests.component.bus.conftest import BusWorld
from tests.support.eventually import eventually, never
from tests.support.nats import NODE_A, NODE_B

QUESTION = AssignmentsQuery(node_id=NODE_A, epoch=1)


async def answer(question: AssignmentsQuery, ids: tuple[str, ...]) -> NodeAssignments:
    return assignments(ids[0], question.epoch)


async def test_a_question_gets_its_answer(world: BusWorld) -> None:
    scheduler, agent = await world.bus(Service.SCHEDULER), await world.bus(Service.NODE_AGENT, NODE_A)
    await scheduler.serve(READ_ASSIGNMENTS, answer)

    assert await agent.request(READ_ASSIGNMENTS, QUESTION, NODE_A) == assignments(NODE_A, 1)


async def test_when_nobody_listens_the_asker_knows_at_once(world: BusWorld) -> None:
    agent = await world.bus(Service.NODE_AGENT, NODE_A)

    async with asyncio.timeout(10):
        with pytest.raises(BusUnavailable, match="nobody listens"):
            await agent.request(READ_ASSIGNMENTS, QUESTION, NODE_A, timeout_s=30)


async def test_without_an_answer_in_time_the_bus_is_unavailable(world: BusWorld) -> None:
    scheduler, agent = await world.bus(Service.SCHEDULER), await world.bus(Service.NODE_AGENT, NODE_A)

    async def never_answer(question: AssignmentsQuery, ids: tuple[str, ...]) -> NodeAssignments:
        await asyncio.Event().wait()
        raise AssertionError

    await scheduler.serve(READ_ASSIGNMENTS, never_answer)
    with pytest.raises(BusUnavailable, match=r"within 0\.1 s"):
        await agent.request(READ_ASSIGNMENTS, QUESTION, NODE_A, timeout_s=0.1)


async def test_a_refusal_travels_with_its_code_status_and_message(world: BusWorld) -> None:
    scheduler, agent = await world.bus(Service.SCHEDULER), await world.bus(Service.NODE_AGENT, NODE_A)

    class EpochSuperseded(Conflict):
        code = "epoch_superseded"

    async def refuse(question: AssignmentsQuery, ids: tuple[str, ...]) -> NodeAssignments:
        raise EpochSuperseded("epoch 1 is superseded by 2:\nstop")

    await scheduler.serve(READ_ASSIGNMENTS, refuse)
    with pytest.raises(RemoteError) as caught:
        await agent.request(READ_ASSIGNMENTS, QUESTION, NODE_A)

    error = caught.value
    assert (error.code, error.status, error.message) == ("epoch_superseded", 409, "epoch 1 is superseded by 2:\nstop")


async def test_an_unexpected_error_is_answered_without_its_details(world: BusWorld) -> None:
    scheduler, agent = await world.bus(Service.SCHEDULER), await world.bus(Service.NODE_AGENT, NODE_A)

    async def fail(question: AssignmentsQuery, ids: tuple[str, ...]) -> NodeAssignments:
        raise KeyError("password")

    await scheduler.serve(READ_ASSIGNMENTS, fail)
    with pytest.raises(RemoteError) as caught:
        await agent.request(READ_ASSIGNMENTS, QUESTION, NODE_A)

    assert caught.value.code == "internal"
    assert "password" not in caught.value.message


async def test_an_undecodable_question_is_refused(world: BusWorld) -> None:
    scheduler, agent = await world.bus(Service.SCHEDULER), await world.bus(Service.NODE_AGENT, NODE_A)
    await scheduler.serve(READ_ASSIGNMENTS, answer)

    packet = await agent._wire.request(f"{READ_ASSIGNMENTS.subject}.{NODE_A}", b"[]", {}, 5.0)

    assert packet.headers["Nats-Service-Error-Code"] == "invalid_input"


async def test_a_slow_answer_does_not_hold_up_the_next(world: BusWorld) -> None:
    scheduler, agent = await world.bus(Service.SCHEDULER), await world.bus(Service.NODE_AGENT, NODE_A)
    release = asyncio.Event()

    async def slow_first(question: AssignmentsQuery, ids: tuple[str, ...]) -> NodeAssignments:
        if question.epoch == 1:
            await release.wait()
        return assignments(ids[0], question.epoch)

    await scheduler.serve(READ_ASSIGNMENTS, slow_first)
    slow = asyncio.ensure_future(agent.request(READ_ASSIGNMENTS, QUESTION, NODE_A))
    quick = await agent.request(READ_ASSIGNMENTS, AssignmentsQuery(node_id=NODE_A, epoch=2), NODE_A)
    assert not slow.done()
    release.set()

    assert quick.revision == 2
    assert (await slow).revision == 1


async def test_of_several_instances_exactly_one_answers(world: BusWorld) -> None:
    answered: list[int] = []

    for instance in range(3):
        scheduler = await world.bus(Service.SCHEDULER)

        async def counted(
            question: AssignmentsQuery, ids: tuple[str, ...], instance: int = instance
        ) -> NodeAssignments:
            answered.append(instance)
            return assignments(ids[0])

        await scheduler.serve(READ_ASSIGNMENTS, counted)
    agent = await world.bus(Service.NODE_AGENT, NODE_A)
    for _ in range(5):
        await agent.request(READ_ASSIGNMENTS, QUESTION, NODE_A)

    await never(lambda: len(answered) > 5, for_s=0.1)
    assert len(answered) == 5


async def test_a_broadcast_question_gathers_the_answers_of_all_and_leaves_out_refusals(world: BusWorld) -> None:
    for instance in ("router-1", "router-2", "router-3"):
        router = await world.bus(Service.ROUTER)

        async def rebuild(question: RebuildBus, ids: tuple[str, ...], instance: str = instance) -> Rebuilt:
            if instance == "router-3":
                raise Conflict("busy")
            return Rebuilt(instance=instance, written={"USAGE": 1})

        await router.serve(REPUBLISH_USAGE, rebuild)
    metering = await world.bus(Service.METERING)

    answers = await metering.request_all(REPUBLISH_USAGE, RebuildBus(), "all", timeout_s=20, quiet_s=1.0)

    assert sorted(one.instance for one in answers) == ["router-1", "router-2"]


async def test_a_broadcast_is_over_when_it_has_been_quiet_after_an_answer(world: BusWorld) -> None:
    router = await world.bus(Service.ROUTER)

    async def rebuild(question: RebuildBus, ids: tuple[str, ...]) -> Rebuilt:
        return Rebuilt(instance="router-1", written={})

    await router.serve(REPUBLISH_USAGE, rebuild)
    metering = await world.bus(Service.METERING)

    async with asyncio.timeout(10):
        answers = await metering.request_all(REPUBLISH_USAGE, RebuildBus(), "all", timeout_s=60, quiet_s=0.05)

    assert [one.instance for one in answers] == ["router-1"]


async def test_a_broadcast_that_nobody_hears_gathers_nothing_at_once(world: BusWorld) -> None:
    metering = await world.bus(Service.METERING)

    async with asyncio.timeout(10):
        assert await metering.request_all(REPUBLISH_USAGE, RebuildBus(), "all", timeout_s=30) == []


async def test_a_question_to_one_node_reaches_only_that_node(world: BusWorld) -> None:
    for node in (NODE_A, NODE_B):
        agent = await world.bus(Service.NODE_AGENT, node)

        async def read(question: LogQuery, ids: tuple[str, ...], node: str = node) -> LogChunk:
            return LogChunk(replica_id=question.replica_id, offset=0, next_offset=0, text=node)

        await agent.serve(READ_LOG, read, node)
    scheduler = await world.bus(Service.SCHEDULER)

    chunk = await scheduler.request(READ_LOG, LogQuery(replica_id="rep_1"), NODE_B)

    assert chunk.text == NODE_B


async def test_who_may_ask_and_answer_is_checked(world: BusWorld) -> None:
    agent = await world.bus(Service.NODE_AGENT, NODE_A)

    with pytest.raises(Forbidden, match="only for itself"):
        await agent.request(READ_ASSIGNMENTS, QUESTION, NODE_B)
    with pytest.raises(Forbidden, match="may not answer"):
        await agent.serve(READ_ASSIGNMENTS, answer)
    with pytest.raises(Forbidden, match="may not ask"):
        await (await world.bus(Service.ROUTER)).request(READ_ASSIGNMENTS, QUESTION, NODE_A)


async def test_signals_reach_every_subscriber_in_order(world: BusWorld) -> None:
    heard: list[list[tuple[int, tuple[str, ...]]]] = [[], []]
    for instance in range(2):
        scheduler = await world.bus(Service.SCHEDULER)

        async def hear(message: Heartbeat, ids: tuple[str, ...], instance: int = instance) -> None:
            heard[instance].append((message.sequence, ids))

        await scheduler.subscribe(HEARTBEAT, hear)
    agent = await world.bus(Service.NODE_AGENT, NODE_A)

    for sequence in (1, 2, 3):
        await agent.signal(HEARTBEAT, heartbeat(NODE_A, sequence), NODE_A)

    wanted = [(1, (NODE_A,)), (2, (NODE_A,)), (3, (NODE_A,))]
    await eventually(lambda: heard == [wanted, wanted])


async def test_a_bad_signal_and_a_failing_handler_do_not_end_a_subscription(world: BusWorld) -> None:
    scheduler, agent = await world.bus(Service.SCHEDULER), await world.bus(Service.NODE_AGENT, NODE_A)
    heard: list[int] = []

    async def hear(message: Heartbeat, ids: tuple[str, ...]) -> None:
        heard.append(message.sequence)
        if len(heard) == 1:
            raise ValueError("first")

    await scheduler.subscribe(HEARTBEAT, hear, NODE_A)
    await agent.signal(HEARTBEAT, heartbeat(NODE_A, 1), NODE_A)
    await agent._wire.publish(f"{HEARTBEAT.subject}.{NODE_A}", b"nonsense", {})
    await agent.signal(HEARTBEAT, heartbeat(NODE_A, 2), NODE_A)

    await eventually(lambda: heard == [1, 2])

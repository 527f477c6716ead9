"""A version that failed gives way to the one before it, once, whatever is delivered again."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from roundhouse_catalog.bus.questions import Questions
from roundhouse_catalog.bus.rollbacks import DURABLE, Rollbacks
from roundhouse_catalog.domain.errors import SchedulerAway
from roundhouse_catalog.store.deployments import find_deployment_anywhere
from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.models import InspectModel, ModelInspected
from roundhouse_common.contracts.registry import (
    DEPLOYMENT_CHANGED,
    INSPECT_MODEL,
    READ_VERSION_STATES,
    VERSION_FAILED,
)
from roundhouse_common.contracts.scheduler import (
    Reason,
    VersionFailed,
    VersionState,
    VersionStates,
    VersionStatesQuery,
)
from roundhouse_common.runtime import SystemIds
from tests.component.catalog.world import World, on_the_bus, running
from tests.support.eventually import eventually


def failure_of(version: dict[str, Any], deployment: dict[str, Any], *, generation: int = 0) -> VersionFailed:
    return VersionFailed(
        event_id=f"evt_{version['number']}_{generation}",
        at=1.0,
        deployment_id=deployment["id"],
        generation=generation or deployment["generation"],
        version_id=version["id"],
        version_number=version["number"],
        reason=Reason.UNKNOWN,
        detail="the model's file is damaged",
    )


@asynccontextmanager
async def buses(world: World) -> AsyncIterator[tuple[MemoryBroker, MemoryBus, MemoryBus]]:
    """The broker, and the connections of the catalog and the scheduler."""
    broker = MemoryBroker(world.clock)
    catalog = MemoryBus(broker, Service.CATALOG, clock=world.clock)
    scheduler = MemoryBus(broker, Service.SCHEDULER, clock=world.clock)
    await catalog.connect()
    await scheduler.connect()
    try:
        yield broker, catalog, scheduler
    finally:
        await catalog.close()
        await scheduler.close()


async def two_versions(world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the deployment and its active version, the second."""
    await world.model()
    path = f"/deployments/{(await world.deployment())['id']}"
    second = (await world.post(f"{path}/versions", {"parameters": {"parallel": "2"}})).json()
    return (await world.get(path)).json(), second


@pytest.mark.contract("B02", "B04")
async def test_a_failed_version_is_taken_back_once_with_its_diagnosis(world: World) -> None:
    deployment, second = await two_versions(world)
    path = f"/deployments/{deployment['id']}"
    changes: list[tuple[str, str, str]] = []

    async def note(batch: Any) -> None:
        changes.extend((one.message.change.value, one.message.actor, one.message.detail) for one in batch)

    async with buses(world) as (broker, catalog, scheduler), on_the_bus(world, broker):
        handler = Rollbacks(world.db, clock=world.clock, ids=SystemIds(), wake=world.wake)
        consumer = catalog.consumer(VERSION_FAILED, DURABLE, handler)
        timeline = scheduler.consumer(DEPLOYMENT_CHANGED, "scheduler-timeline", note)
        failed = failure_of(second, deployment)
        for event_id in ("evt_one", "evt_again"):  # beyond the duplicate window the same event comes twice
            await scheduler.append(VERSION_FAILED, failed, deployment["id"], event_id=event_id)
        async with running(consumer.run, timeline.run):
            await eventually(lambda: [one for one in changes if one[0] == "rolled_back"])
        assert await consumer.letters() == []
    shown = (await world.get(path)).json()
    assert (shown["active_version"]["number"], shown["generation"]) == (1, 3)
    assert [one for one in changes if one[0] == "rolled_back"] == [
        ("rolled_back", "service:catalog", "version 2 -> 1: the model's file is damaged")
    ]


async def handled(world: World, *failures: VersionFailed) -> None:
    """Give the failures to the handler as one batch."""
    handler = Rollbacks(world.db, clock=world.clock, ids=SystemIds(), wake=world.wake)
    async with buses(world) as (_, catalog, scheduler):
        done: list[int] = []

        async def counted(batch: Any) -> None:
            await handler(batch)
            done.extend(one.stream_sequence for one in batch)

        for number, failed in enumerate(failures):
            await scheduler.append(VERSION_FAILED, failed, failed.deployment_id, event_id=f"evt_{number}")
        async with running(catalog.consumer(VERSION_FAILED, DURABLE, counted).run):
            await eventually(lambda: len(done) >= len(failures))


async def test_what_is_no_longer_wanted_is_not_taken_back(world: World) -> None:
    deployment, second = await two_versions(world)
    path = f"/deployments/{deployment['id']}"
    await world.post(f"{path}/versions/1:start")
    await handled(world, failure_of(second, deployment))
    assert (await world.get(path)).json()["generation"] == 3


async def test_a_failure_of_a_deleted_deployment_is_let_go(world: World) -> None:
    deployment, second = await two_versions(world)
    await world.post(f"/deployments/{deployment['id']}:stop")
    await world.delete(f"/deployments/{deployment['id']}")
    await handled(world, failure_of(second, deployment))


async def test_a_failure_that_is_not_rolled_back_is_remembered(world: World) -> None:
    deployment, second = await two_versions(world)
    path = f"/deployments/{deployment['id']}"
    await world.patch(path, {"rollout": {"is_rolled_back": False}})
    wakes = world.wakes
    await handled(world, failure_of(second, (await world.get(path)).json()))
    async with world.db.read() as session:
        kept = await find_deployment_anywhere(session, deployment["id"])
    assert kept is not None
    assert (kept.failed_numbers, kept.version.spec.number, world.wakes) == ((2,), 2, wakes)


async def asked_states(world: World, answer: Callable[[VersionStatesQuery], VersionStates]) -> dict[str, VersionState]:
    """Ask a scheduler that answers so for the states of the only deployment's versions."""

    async def serve(query: VersionStatesQuery, _ids: tuple[str, ...]) -> VersionStates:
        return answer(query)

    deployment, _ = await two_versions(world)
    async with world.db.read() as session:
        wanted = await find_deployment_anywhere(session, deployment["id"])
    assert wanted is not None
    async with buses(world) as (_, catalog, scheduler):
        await scheduler.serve(READ_VERSION_STATES, serve)
        questions = Questions(catalog, attempts=3, again_after_s=0.0)
        return dict(await questions.version_states(wanted))


async def test_a_scheduler_that_is_behind_is_asked_again(sqlite_world: World) -> None:
    generations = iter((0, 1, 2))

    def answer(query: VersionStatesQuery) -> VersionStates:
        states = {"ver_1": VersionState.RUNNING}
        return VersionStates(deployment_id=query.deployment_id, generation=next(generations), states=states)

    assert await asked_states(sqlite_world, answer) == {"ver_1": VersionState.RUNNING}


async def test_a_scheduler_that_stays_behind_has_not_answered(sqlite_world: World) -> None:
    def answer(query: VersionStatesQuery) -> VersionStates:
        return VersionStates(deployment_id=query.deployment_id, generation=1, states={})

    with pytest.raises(SchedulerAway, match="generation 1 of the deployment, and 2 is the current"):
        await asked_states(sqlite_world, answer)


async def test_nobody_to_ask_is_said(sqlite_world: World) -> None:
    deployment, _ = await two_versions(sqlite_world)
    async with sqlite_world.db.read() as session:
        wanted = await find_deployment_anywhere(session, deployment["id"])
    assert wanted is not None
    async with buses(sqlite_world) as (_, catalog, _scheduler):
        questions = Questions(catalog, states_timeout_s=0.05, inspect_timeout_s=0.05)
        with pytest.raises(SchedulerAway, match="Nothing was changed"):
            await questions.version_states(wanted)
        with pytest.raises(SchedulerAway):
            await questions.inspect(wanted.version.spec.source)


async def test_a_node_is_asked_through_the_scheduler(sqlite_world: World) -> None:
    async def serve(question: InspectModel, _ids: tuple[str, ...]) -> ModelInspected:
        return ModelInspected(error=f"not found: {question.source.uri}")

    deployment, _ = await two_versions(sqlite_world)
    async with sqlite_world.db.read() as session:
        wanted = await find_deployment_anywhere(session, deployment["id"])
    assert wanted is not None
    async with buses(sqlite_world) as (_, catalog, scheduler):
        await scheduler.serve(INSPECT_MODEL, serve)
        found = await Questions(catalog).inspect(wanted.version.spec.source)
    assert found.error == "not found: /models/smol.gguf"

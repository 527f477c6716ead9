"""What becomes of versions, in the record, over the bus and over REST. On both databases."""

from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
from sqlalchemy import select

from roundhouse_common.bus.memory import MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.catalog import DeploymentDesired, Rollout
from roundhouse_common.contracts.registry import READ_VERSION_STATES, VERSION_FAILED
from roundhouse_common.contracts.scheduler import (
    Phase,
    Reason,
    VersionFailed,
    VersionState,
    VersionStates,
    VersionStatesQuery,
)
from roundhouse_common.database import Database
from roundhouse_common.runtime import SystemClock, SystemIds
from roundhouse_scheduler.domain.plan import FailureForgotten, FailureSeen, Plan, VersionGivenUp
from roundhouse_scheduler.domain.records import VersionFailure
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.commit import commit_plan
from roundhouse_scheduler.store.pages import any_deployment
from roundhouse_scheduler.store.rows import add
from roundhouse_scheduler.store.specs import take_specs
from roundhouse_scheduler.store.versions import versions_of
from tests.component.scheduler.running import Running, running, who
from tests.component.scheduler.test_scheduler_store import AT, a_spec
from tests.support.scheduler import a_node, a_replica, a_version

FIRST = VersionFailure(
    at=AT,
    replica_id="rep_2",
    node_id="nod_1",
    reason=Reason.START_FAILED,
    detail="the model file is not a GGUF",
    log_tail=("gguf_init_from_file: invalid magic",),
)
GIVEN_UP = VersionGivenUp(
    deployment_id="dep_1",
    generation=2,
    version_id="ver_2",
    version_number=2,
    replica_id="rep_2",
    node_id="nod_1",
    reason=Reason.VERSION_FAILED,
    detail="a replica failed 3 times in a row: start-failed: the model file is not a GGUF",
    log_tail=(),
    serving_number=1,
)


@pytest_asyncio.fixture
async def scheduler(scheduler_db: Database) -> AsyncIterator[Running]:
    """Version 2 takes over from version 1: one ready replica of the old, one starting of the new."""
    async with scheduler_db.write() as session:
        await take_specs(session, [a_spec()], at=AT)
        await take_specs(session, [a_spec(generation=2, version=a_version(2))], at=AT + 1.0)
        await add(session, tables.nodes, a_node("nod_1"))
        old = a_replica("rep_1", node_id="nod_1", phase=Phase.READY, is_serving=True, ready_since=AT)
        new = a_replica("rep_2", node_id="nod_1", phase=Phase.STARTING, version_id="ver_2", version_number=2)
        for replica in (old, new):
            await add(session, tables.replicas, replica)
    async with running(scheduler_db) as started:
        yield started


async def wrote(scheduler: Running, *actions: FailureSeen | FailureForgotten | VersionGivenUp) -> None:
    async with scheduler.db.write() as session:
        await commit_plan(session, Plan(actions=actions), {}, at=AT + 60.0, ids=SystemIds())


async def failure_of(scheduler: Running, version_id: str) -> VersionFailure | None:
    async with scheduler.db.read() as session:
        return {row.version_id: row.failure for row in await versions_of(session, ["dep_1"])}[version_id]


async def asked(scheduler: Running, deployment_id: str = "dep_1") -> VersionStates:
    bus = MemoryBus(scheduler.broker, Service.CATALOG, clock=SystemClock())
    await bus.connect()
    try:
        return await bus.request(READ_VERSION_STATES, VersionStatesQuery(deployment_id=deployment_id), deployment_id)
    finally:
        await bus.close()


@pytest.mark.contract("B01")
@pytest.mark.contract("B04")
async def test_the_catalog_is_told_which_versions_are_active(scheduler: Running) -> None:
    answer = await asked(scheduler)
    assert answer.generation == 2
    assert answer.states == {"ver_1": VersionState.SHUTTING_DOWN, "ver_2": VersionState.PREPARING}


async def test_of_a_deployment_that_is_not_known_nothing_is_said(scheduler: Running) -> None:
    assert await asked(scheduler, "dep_9") == VersionStates(deployment_id="dep_9", generation=0, states={})


@pytest.mark.contract("B01")
async def test_versions_are_listed_with_their_states(scheduler: Running) -> None:
    items = (await scheduler.get("/deployments/dep_1/versions")).json()["items"]
    assert [(item["number"], item["state"], item["is_active"], item["replicas_ready"]) for item in items] == [
        (1, "Shutting Down", False, 1),
        (2, "Preparing", True, 0),
    ]
    assert "until the next version takes over" in items[0]["why"]
    first = (await scheduler.get("/deployments/dep_1/versions", limit=1)).json()
    rest = (await scheduler.get("/deployments/dep_1/versions", cursor=first["next_cursor"])).json()
    assert first["items"] + rest["items"] == items
    stranger = await scheduler.get("/deployments/dep_1/versions", subject=who(tenant_id="ten_other"))
    assert stranger.status_code == 404


async def test_the_status_says_how_far_the_rollout_is(scheduler: Running) -> None:
    status = (await scheduler.get("/deployments/dep_1/status")).json()
    rollout = status["rollout"]
    assert (status["state"], status["is_paused"], status["target_replicas"]) == ("Running", False, None)
    assert (rollout["from_version_number"], rollout["version_number"], rollout["available"]) == (1, 2, 0)
    assert status["why"] == rollout["why"]
    assert status["why"].startswith("0 of 1 replicas run version 2; waiting for 1 to become ready: starting")


@pytest.mark.contract("B02")
async def test_the_first_error_of_a_version_stays_after_its_replica(scheduler: Running) -> None:
    await wrote(scheduler, FailureSeen(version_id="ver_2", failure=FIRST))
    (_, version) = (await scheduler.get("/deployments/dep_1/versions")).json()["items"]
    assert version["failure"]["detail"] == "the model file is not a GGUF"
    assert version["failure"]["log_tail"] == ["gguf_init_from_file: invalid magic"]
    assert (version["failure"]["replica_id"], version["failure"]["reason"]) == ("rep_2", "start-failed")
    await wrote(scheduler, FailureForgotten(version_id="ver_2"))
    assert await failure_of(scheduler, "ver_2") is None


@pytest.mark.contract("B02")
async def test_a_version_that_was_given_up_is_told_with_the_first_error_and_its_log(scheduler: Running) -> None:
    await wrote(scheduler, FailureSeen(version_id="ver_2", failure=FIRST), GIVEN_UP)
    failure = await failure_of(scheduler, "ver_2")
    assert failure is not None
    assert (failure.is_fatal, failure.detail, failure.log_tail) == (True, GIVEN_UP.detail, FIRST.log_tail)
    async with scheduler.db.read() as session:
        (row,) = await session.execute(select(tables.outbox))
    told = msgspec.json.decode(row.payload, type=VersionFailed)
    assert (row.subject, tuple(row.ids)) == (VERSION_FAILED.subject, ("dep_1",))
    assert (told.version_number, told.serving_number) == (2, 1)
    assert (told.generation, told.version_id, told.reason) == (2, "ver_2", Reason.START_FAILED)
    assert (told.detail, told.log_tail) == (GIVEN_UP.detail, FIRST.log_tail)


async def test_a_version_without_any_error_of_its_engines_keeps_why_it_was_given_up(scheduler: Running) -> None:
    await wrote(scheduler, GIVEN_UP)
    failure = await failure_of(scheduler, "ver_2")
    assert failure is not None
    assert (failure.reason, failure.detail, failure.is_fatal) == (Reason.VERSION_FAILED, GIVEN_UP.detail, True)


@pytest.mark.contract("B03")
async def test_a_version_that_is_started_again_has_nothing_held_against_it(scheduler: Running) -> None:
    await wrote(scheduler, FailureSeen(version_id="ver_2", failure=FIRST), GIVEN_UP)
    async with scheduler.db.write() as session:
        await take_specs(session, [a_spec(generation=3)], at=AT + 70.0)
    back = (await scheduler.get("/deployments/dep_1/versions")).json()["items"]
    assert [(item["number"], item["is_active"]) for item in back] == [(1, True), (2, False)]
    assert await failure_of(scheduler, "ver_2") is not None, "what failed stays to be seen"
    async with scheduler.db.write() as session:
        await take_specs(session, [a_spec(generation=4, version=a_version(2))], at=AT + 80.0)
    assert await failure_of(scheduler, "ver_2") is None


async def test_a_spec_that_names_another_version_begins_a_rollout(scheduler_db: Database) -> None:
    async with scheduler_db.write() as session:
        await take_specs(session, [a_spec(rollout=Rollout(max_surge=2), restarts=1)], at=AT)
        first = await any_deployment(session, "dep_1")
        await take_specs(session, [a_spec(generation=2, version=a_version(2), is_paused=True)], at=AT + 1.0)
        second = await any_deployment(session, "dep_1")
        await take_specs(session, [a_spec(generation=3, version=a_version(2))], at=AT + 2.0)
        third = await any_deployment(session, "dep_1")
    assert first is not None
    assert second is not None
    assert third is not None
    assert (first.rollout_began_at, first.rollout.max_surge, first.restarts_done) == (None, 2, 1)
    assert (second.rollout_began_at, second.rollout_from_number, second.is_paused) == (AT + 1.0, 1, True)
    assert third.rollout_began_at == AT + 1.0, "the same version goes on being rolled out"


async def test_a_rollout_that_was_stopped_in_the_middle_begins_anew(scheduler: Running) -> None:
    async with scheduler.db.write() as session:
        stopped = a_spec(generation=3, version=a_version(2), desired=DeploymentDesired.STOP)
        await take_specs(session, [stopped], at=AT + 10.0)
        await take_specs(session, [a_spec(generation=4, version=a_version(2))], at=AT + 500.0)
        deployment = await any_deployment(session, "dep_1")
    assert deployment is not None
    assert (deployment.rollout_began_at, deployment.rollout_from_number) == (AT + 500.0, 1)


async def test_the_timeline_tells_when_a_rollout_began(scheduler: Running) -> None:
    await scheduler.core.planner.step()
    events = (await scheduler.get("/deployments/dep_1/events")).json()["items"]
    (began,) = [event for event in events if event["kind"] == "rollout.began"]
    assert began["detail"] == "version 1 -> 2, rolling, 1 replicas"

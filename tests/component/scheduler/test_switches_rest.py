"""Switches over REST and in the record, on both databases."""

from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

from roundhouse_common.auth import Role
from roundhouse_common.contracts.catalog import DeploymentDesired
from roundhouse_common.contracts.scheduler import Desired, Phase, Reason
from roundhouse_common.database import Database
from roundhouse_scheduler.domain.switching import Switch, SwitchState
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.rows import add
from roundhouse_scheduler.store.specs import take_specs
from roundhouse_scheduler.store.timeline import forget_old
from tests.component.scheduler.running import Running, running, who
from tests.component.scheduler.test_scheduler_store import AT, a_spec
from tests.support.scheduler import GIB, a_node, a_replica, an_inventory


@pytest_asyncio.fixture
async def scheduler(scheduler_db: Database) -> AsyncIterator[Running]:
    """A deployment `dep_1` that sleeps, on a platform with one node, which is full."""
    async with scheduler_db.write() as session:
        full = an_inventory(memory_total_bytes=GIB // 2, memory_available_bytes=GIB // 2)
        await add(session, tables.nodes, a_node("nod_1", inventory=full))
        await take_specs(session, [a_spec(is_evictable=True)], at=AT)
    async with scheduler_db.write() as session:
        await session.execute(
            tables.deployments.update().values(target_replicas=0, target_reason=Reason.EVICTED, revision=0)
        )
    async with running(scheduler_db) as started:
        yield started


@pytest.mark.contract("A13", "A15")
async def test_a_switch_is_asked_for_followed_and_listed(scheduler: Running) -> None:
    asked = await scheduler.post("/switches", {"deployment_id": "dep_1"})
    assert asked.status_code == 201
    switch_id = asked.json()["id"]
    assert asked.headers["location"] == f"/api/v1/switches/{switch_id}"
    assert (asked.json()["state"], asked.json()["actor"]) == ("waiting", "user:usr_admin")
    await scheduler.core.planner.step()
    await scheduler.core.planner.step()
    shown = (await scheduler.get(f"/switches/{switch_id}")).json()
    assert shown["detail"].startswith("no deployment that may be evicted would make room: ")
    assert [step["state"] for step in shown["steps"]] == ["waiting", "waiting"]
    assert [item["id"] for item in (await scheduler.get("/switches")).json()["items"]] == [switch_id]
    for deployment_id, listed in (("dep_1", [switch_id]), ("dep_2", [])):
        found = (await scheduler.get("/switches", deployment_id=deployment_id)).json()["items"]
        assert [item["id"] for item in found] == listed
    events = (await scheduler.get("/deployments/dep_1/events")).json()["items"]
    (scaled,) = [event for event in events if event["kind"] == "deployment.scaled"]
    assert (scaled["before"], scaled["after"], scaled["reason"]) == ("0", "1", "woken")
    assert scaled["detail"] == "asked for by user:usr_admin"


async def test_asking_again_returns_the_one_under_way(scheduler: Running) -> None:
    first = await scheduler.post("/switches", {"deployment_id": "dep_1"})
    again = await scheduler.post("/switches", {"deployment_id": "dep_1"})
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])


async def test_cancelling_puts_the_deployment_back_to_sleep(scheduler: Running) -> None:
    switch_id = (await scheduler.post("/switches", {"deployment_id": "dep_1"})).json()["id"]
    await scheduler.core.planner.step()
    cancelled = await scheduler.post(f"/switches/{switch_id}:cancel")
    assert (cancelled.status_code, cancelled.json()["is_cancelling"]) == (202, True)
    await scheduler.core.planner.step()
    shown = (await scheduler.get(f"/switches/{switch_id}")).json()
    assert (shown["state"], shown["is_cancelling"], shown["ended_at"] is not None) == ("cancelled", False, True)
    assert scheduler.core.planner.mirror.deployments["dep_1"].target_replicas == 0
    again = await scheduler.post(f"/switches/{switch_id}:cancel")
    assert (again.status_code, again.json()["state"]) == (202, "cancelled")


async def test_a_switch_to_what_runs_is_ready_at_once(scheduler: Running) -> None:
    async with scheduler.db.write() as session:
        row = a_replica("rep_1", phase=Phase.READY, is_serving=True, desired=Desired.RUN, node_id="nod_1")
        await session.execute(tables.deployments.update().values(target_replicas=None, revision=99))
        await add(session, tables.replicas, row)
    switch_id = (await scheduler.post("/switches", {"deployment_id": "dep_1"})).json()["id"]
    await scheduler.core.planner.step()
    assert (await scheduler.get(f"/switches/{switch_id}")).json()["state"] == "ready"


async def test_what_cannot_be_switched_to_is_refused_with_the_reason(scheduler: Running) -> None:
    assert (await scheduler.post("/switches", {"deployment_id": "dep_9"})).status_code == 404
    assert (await scheduler.post("/switches", {})).status_code == 422
    assert (await scheduler.get("/switches/swi_9")).status_code == 404
    async with scheduler.db.write() as session:
        await take_specs(session, [a_spec(generation=2, desired=DeploymentDesired.STOP)], at=AT)
    refused = await scheduler.post("/switches", {"deployment_id": "dep_1"})
    assert (refused.status_code, refused.json()["code"]) == (409, "deployment_is_stopped")
    async with scheduler.db.write() as session:
        await take_specs(session, [a_spec(generation=3, desired=DeploymentDesired.DELETE)], at=AT)
    assert (await scheduler.post("/switches", {"deployment_id": "dep_1"})).status_code == 404


async def test_switches_belong_to_a_tenant_and_need_the_right_to_change(scheduler: Running) -> None:
    switch_id = (await scheduler.post("/switches", {"deployment_id": "dep_1"})).json()["id"]
    stranger = who("ten_other")
    assert (await scheduler.get(f"/switches/{switch_id}", subject=stranger)).status_code == 404
    assert (await scheduler.get("/switches", subject=stranger)).json()["items"] == []
    viewer = who(role=Role.VIEWER)
    assert (await scheduler.get(f"/switches/{switch_id}", subject=viewer)).status_code == 200
    assert (await scheduler.post("/switches", {"deployment_id": "dep_1"}, subject=viewer)).status_code == 403
    assert (await scheduler.post(f"/switches/{switch_id}:cancel", subject=viewer)).status_code == 403


async def test_switches_that_ended_long_ago_are_forgotten(scheduler: Running) -> None:
    base = Switch(
        switch_id="swi_open",
        tenant_id="ten_default",
        deployment_id="dep_1",
        actor="user:usr_admin",
        detail="asked for",
        began_at=AT,
        deadline_at=AT,
    )
    ended = msgspec.structs.replace(base, state=SwitchState.READY)
    async with scheduler.db.write() as session:
        await add(session, tables.switches, base)
        await add(session, tables.switches, msgspec.structs.replace(ended, switch_id="swi_old", ended_at=AT))
        await add(session, tables.switches, msgspec.structs.replace(ended, switch_id="swi_new", ended_at=AT + 100))
        assert await forget_old(session, events_before=AT + 50, replicas_before=AT) == 1
    listed = (await scheduler.get("/switches", limit=2)).json()
    assert [item["id"] for item in listed["items"]] == ["swi_open", "swi_new"]

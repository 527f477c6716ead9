"""Somebody with a role in one project only sees, and may do, what that role allows on that project's things."""

from collections.abc import AsyncIterator
from types import MappingProxyType
from typing import Any

import pytest
import pytest_asyncio

from roundhouse_common.auth import Role, Subject
from roundhouse_common.database import Database
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.rows import add
from roundhouse_scheduler.store.specs import take_specs
from tests.component.scheduler.running import Running, running
from tests.component.scheduler.test_scheduler_store import AT, a_spec
from tests.support.scheduler import a_replica

pytestmark = pytest.mark.contract("E02", "E03")

PLACES = {"dep_1": "prj_mine", "dep_2": "prj_other", "dep_3": ""}


@pytest_asyncio.fixture
async def scheduler(scheduler_db: Database) -> AsyncIterator[Running]:
    """A deployment with a replica in each of two projects, and one outside of projects."""
    async with scheduler_db.write() as session:
        for number, (deployment_id, project_id) in enumerate(PLACES.items(), start=1):
            spec = a_spec(deployment_id=deployment_id, name=f"chat-{number}", project_id=project_id)
            await take_specs(session, [spec], at=AT)
            await add(session, tables.replicas, a_replica(f"rep_{number}", deployment_id=deployment_id))
    async with running(scheduler_db) as started:
        yield started


def member(role: Role) -> Subject:
    in_projects = MappingProxyType({"prj_mine": frozenset({role})})
    return Subject(id="usr_member", tenant_id="ten_default", project_roles=in_projects)


def items(answer: Any, name: str) -> list[Any]:  # Any: an answer of httpx, and JSON
    assert answer.status_code == 200, answer.text
    return [item[name] for item in answer.json()["items"]]


async def test_lists_are_cut_to_the_projects_of_a_member(scheduler: Running) -> None:
    viewer = member(Role.VIEWER)
    for path, name, shown in (("/deployment-statuses", "deployment_id", "dep_1"), ("/replicas", "id", "rep_1")):
        assert items(await scheduler.get(path, subject=viewer), name) == [shown]
        assert items(await scheduler.get(path, subject=viewer), "project_id") == ["prj_mine"]
        assert len(items(await scheduler.get(path), name)) == 3
    assert items(await scheduler.get("/replicas", subject=viewer, deployment_id="dep_2"), "id") == []


async def test_what_is_in_another_project_is_not_there_for_a_member(scheduler: Running) -> None:
    deployer = member(Role.DEPLOYER)
    for path in ("/deployments/{}/status", "/deployments/{}/versions", "/deployments/{}/events"):
        found = [(await scheduler.get(path.format(one), subject=deployer)).status_code for one in PLACES]
        assert found == [200, 404, 404], path
    shown = [(await scheduler.get(f"/replicas/rep_{one}", subject=deployer)).status_code for one in (1, 2, 3)]
    assert shown == [200, 404, 404]
    logs = [(await scheduler.get(f"/replicas/rep_{one}/log", subject=deployer)).status_code for one in (2, 3)]
    assert logs == [404, 404]


async def test_a_member_switches_deployments_of_the_project_only(scheduler: Running) -> None:
    deployer, viewer = member(Role.DEPLOYER), member(Role.VIEWER)
    other = (await scheduler.post("/switches", {"deployment_id": "dep_2"})).json()["id"]
    assert (await scheduler.post("/switches", {"deployment_id": "dep_1"}, subject=viewer)).status_code == 403
    assert (await scheduler.post("/switches", {"deployment_id": "dep_2"}, subject=deployer)).status_code == 404
    mine = await scheduler.post("/switches", {"deployment_id": "dep_1"}, subject=deployer)
    assert mine.status_code == 201, mine.text
    assert items(await scheduler.get("/switches", subject=viewer), "id") == [mine.json()["id"]]
    assert (await scheduler.get(f"/switches/{other}", subject=deployer)).status_code == 404
    assert (await scheduler.post(f"/switches/{other}:cancel", subject=deployer)).status_code == 404
    cancelled = await scheduler.post(f"/switches/{mine.json()['id']}:cancel", subject=deployer)
    assert cancelled.status_code == 202


async def test_a_member_who_may_look_and_change_in_different_projects_does_each_where_it_holds(
    scheduler: Running,
) -> None:
    both = Subject(
        id="usr_member",
        tenant_id="ten_default",
        project_roles=MappingProxyType({"prj_mine": frozenset({Role.VIEWER}), "prj_other": frozenset({Role.DEPLOYER})}),
    )
    assert items(await scheduler.get("/replicas", subject=both), "id") == ["rep_1", "rep_2"]
    asked = [
        (await scheduler.post("/switches", {"deployment_id": one}, subject=both)).status_code
        for one in ("dep_1", "dep_2", "dep_3")
    ]
    assert asked == [403, 201, 404]

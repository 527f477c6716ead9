"""The migrations make exactly the tables that the code uses, on both databases."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import select

from roundhouse_common.database import Database
from roundhouse_common.runtime import SystemIds
from roundhouse_scheduler import migrations
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.provisioning import find_file_order
from roundhouse_scheduler.store.rows import add, deployment_from
from roundhouse_scheduler.store.standing_orders import place_order, told_nodes
from roundhouse_scheduler.store.tables import metadata
from tests.support.databases import schema_differences
from tests.support.provisioning import files_order
from tests.support.scheduler import a_deployment, a_node

pytestmark = pytest.mark.usefixtures("migrations_here")


async def test_upgrading_an_empty_database_gives_the_metadata(database_url: str) -> None:
    db = Database(database_url, service="scheduler")
    await db.migrate("roundhouse_scheduler.migrations")
    assert await schema_differences(database_url, metadata, service="scheduler") == []


async def test_migrating_again_changes_nothing(database_url: str) -> None:
    db = Database(database_url, service="scheduler")
    await db.migrate("roundhouse_scheduler.migrations")
    await db.migrate("roundhouse_scheduler.migrations")
    assert await schema_differences(database_url, metadata, service="scheduler") == []


@pytest.mark.parametrize("until", ["0002", "0003"])
async def test_a_record_of_the_last_release_is_kept(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: str
) -> None:
    package = tmp_path / f"earlier_scheduler_migrations_{until}"
    shutil.copytree(Path(next(iter(migrations.__path__))), package)
    for file in (package / "versions").glob("*.py"):
        if file.name[:4] > until:
            file.unlink()
    monkeypatch.syspath_prepend(str(tmp_path))
    async with Database(database_url, service="scheduler") as db:
        await db.migrate(package.name)
        async with db.write() as session:
            await add(session, tables.nodes, a_node("nod_1", labels={"disk": "ssd"}))
        await db.migrate("roundhouse_scheduler.migrations")
        async with db.write() as session:
            nodes = await told_nodes(session)
            await place_order(session, files_order(), [], nodes, ids=SystemIds())
        async with db.read() as session:
            kept = await find_file_order(session, "for_1")
    assert [(node.node_id, node.labels) for node in nodes] == [("nod_1", {"disk": "ssd"})]
    assert kept == files_order()
    assert await schema_differences(database_url, metadata, service="scheduler") == []


async def test_deployments_of_the_last_release_are_in_no_project(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "earlier_scheduler_migrations_0004"
    shutil.copytree(Path(next(iter(migrations.__path__))), package)
    for file in (package / "versions").glob("*.py"):
        if file.name[:4] > "0004":
            file.unlink()
    monkeypatch.syspath_prepend(str(tmp_path))
    before = a_deployment(row_version=3)
    names = [column.name for column in tables.deployments.columns if column.name not in ("project_id", "revision")]
    async with Database(database_url, service="scheduler") as db:
        await db.migrate(package.name)
        async with db.write() as session:
            values = {name: getattr(before, name) for name in names}
            await session.execute(tables.deployments.insert().values(**values, revision=1))
        await db.migrate("roundhouse_scheduler.migrations")
        async with db.read() as session:
            rows = [deployment_from(row) for row in await session.execute(select(tables.deployments))]
    assert rows == [before]

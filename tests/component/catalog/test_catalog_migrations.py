"""Migrating an empty database gives exactly the tables that the code declares."""

from sqlalchemy import text

from roundhouse_catalog.store import tenants
from roundhouse_catalog.store.tables import metadata
from roundhouse_common.database import Database
from tests.support.databases import schema_differences


async def test_migrations_make_the_declared_schema(database_url: str) -> None:
    async with Database(database_url, service="catalog") as db:
        await db.migrate("roundhouse_catalog.migrations")
    assert await schema_differences(database_url, metadata, service="catalog") == []


async def test_migrating_and_seeding_again_changes_nothing(database_url: str) -> None:
    async with Database(database_url, service="catalog") as db:
        for now in (1.0, 2.0):
            await db.migrate("roundhouse_catalog.migrations")
            async with db.write() as session:
                await tenants.seed(session, now=now)  # type: ignore[arg-type]  # a plain number reads better here
        async with db.write() as session:
            rows = (await session.execute(text("SELECT id, created_at FROM users"))).all()
    assert [tuple(row) for row in rows] == [("usr_admin", 1.0)]

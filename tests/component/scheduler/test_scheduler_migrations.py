"""The migrations make exactly the tables that the code uses, on both databases."""

from roundhouse_common.database import Database
from roundhouse_scheduler.store.tables import metadata
from tests.support.databases import schema_differences


async def test_upgrading_an_empty_database_gives_the_metadata(database_url: str) -> None:
    db = Database(database_url, service="scheduler")
    await db.migrate("roundhouse_scheduler.migrations")
    assert await schema_differences(database_url, metadata, service="scheduler") == []


async def test_migrating_again_changes_nothing(database_url: str) -> None:
    db = Database(database_url, service="scheduler")
    await db.migrate("roundhouse_scheduler.migrations")
    await db.migrate("roundhouse_scheduler.migrations")
    assert await schema_differences(database_url, metadata, service="scheduler") == []

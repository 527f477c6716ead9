"""The migrations make exactly the tables that the code uses, on both databases."""

from roundhouse_common.database import Database
from roundhouse_metering.store.tables import metadata
from tests.support.databases import schema_differences


async def test_from_empty_to_the_newest_is_what_the_tables_say(database_url: str) -> None:
    db = Database(database_url, service="metering")
    await db.migrate("roundhouse_metering.migrations")
    assert await schema_differences(database_url, metadata, service="metering") == []


async def test_migrating_twice_changes_nothing(database_url: str) -> None:
    db = Database(database_url, service="metering")
    await db.migrate("roundhouse_metering.migrations")
    await db.migrate("roundhouse_metering.migrations")
    assert await schema_differences(database_url, metadata, service="metering") == []

"""A migrated ledger on each kind of database."""

from collections.abc import AsyncIterator

import pytest_asyncio

from roundhouse_common.database import Database

__all__ = ["ledger_db"]


@pytest_asyncio.fixture
async def ledger_db(database_url: str) -> AsyncIterator[Database]:
    """An empty ledger with the schema that the migrations make."""
    db = Database(database_url, service="metering")
    await db.migrate("roundhouse_metering.migrations")
    async with db:
        yield db

"""A migrated scheduler database on each kind of server."""

from collections.abc import AsyncIterator

import pytest_asyncio

from roundhouse_common.database import Database

__all__ = ["scheduler_db"]


@pytest_asyncio.fixture
async def scheduler_db(database_url: str) -> AsyncIterator[Database]:
    """An empty record with the schema that the migrations make."""
    db = Database(database_url, service="scheduler")
    await db.migrate("roundhouse_scheduler.migrations")
    async with db:
        yield db

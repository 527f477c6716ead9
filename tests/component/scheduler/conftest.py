"""An empty scheduler database on each kind of server."""

from collections.abc import AsyncIterator

import pytest_asyncio

from roundhouse_common.database import Database
from tests.support.databases import Migrate

__all__ = ["scheduler_db"]


@pytest_asyncio.fixture
async def scheduler_db(database_url: str, migrated: Migrate) -> AsyncIterator[Database]:
    """An empty record with the schema that the migrations make."""
    await migrated(database_url, "scheduler")
    async with Database(database_url, service="scheduler") as db:
        yield db

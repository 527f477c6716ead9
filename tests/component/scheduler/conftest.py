"""An empty scheduler database on each kind of server."""

from collections.abc import AsyncIterator

import pytest_asyncio

from roundhouse_common.database import Database
from roundhouse_scheduler.store.tables import metadata
from tests.support.databases import database

__all__ = ["scheduler_db"]


@pytest_asyncio.fixture
async def scheduler_db(database_url: str) -> AsyncIterator[Database]:
    """An empty record with the tables that the code uses; that migrations make the same ones has a test of its own."""
    async with database(database_url, metadata, service="scheduler") as db:
        yield db

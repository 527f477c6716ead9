"""A migrated ledger on each kind of database."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from roundhouse_common.bus.memory import MemoryBroker
from roundhouse_common.database import Database
from tests.support.databases import Migrate
from tests.support.metering_api import CLOCK, Caller, metering_api

__all__ = ["broker", "caller", "ledger_db"]


@pytest_asyncio.fixture
async def ledger_db(database_url: str, migrated: Migrate) -> AsyncIterator[Database]:
    """An empty ledger with the schema that the migrations make."""
    await migrated(database_url, "metering")
    async with Database(database_url, service="metering") as db:
        yield db


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(clock=CLOCK)


@pytest_asyncio.fixture
async def caller(ledger_db: Database, broker: MemoryBroker) -> AsyncIterator[Caller]:
    """The REST API, called in process."""
    async with metering_api(ledger_db, broker) as calling:
        yield calling

"""The fixtures that the REST tests of the catalog start from."""

from collections.abc import AsyncIterator

import pytest

from tests.component.catalog.world import World, a_world


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A catalog on SQLite, and again on Postgres."""
    async with a_world(database_url) as opened:
        yield opened


@pytest.fixture
async def sqlite_world(sqlite_url: str) -> AsyncIterator[World]:
    """A catalog on SQLite only: for what is refused before it reaches a table."""
    async with a_world(sqlite_url) as opened:
        yield opened

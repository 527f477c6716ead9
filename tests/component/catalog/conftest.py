"""The fixtures that the REST tests of the catalog start from."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.component.catalog.world import World, a_world
from tests.support.databases import Migrate


@pytest.fixture
async def world(database_url: str, migrated: Migrate, tmp_path: Path) -> AsyncIterator[World]:
    """A catalog on SQLite, and again on Postgres."""
    await migrated(database_url, "catalog")
    async with a_world(database_url, tmp_path / "uploads") as opened:
        yield opened


@pytest.fixture
async def sqlite_world(sqlite_url: str, migrated: Migrate, tmp_path: Path) -> AsyncIterator[World]:
    """A catalog on SQLite only: for what is refused before it reaches a table."""
    await migrated(sqlite_url, "catalog")
    async with a_world(sqlite_url, tmp_path / "uploads") as opened:
        yield opened

"""The fixture that every REST test of the catalog starts from, on both databases."""

from collections.abc import AsyncIterator

import pytest

from tests.component.catalog.world import World, a_world


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    async with a_world(database_url) as opened:
        yield opened

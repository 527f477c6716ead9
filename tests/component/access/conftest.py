"""One platform for the tests of a module: thousands of requests, and hardly any of them changes anything."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.component.access.worlds import SERVICES, Platform, a_platform
from tests.support.databases import Migrate, PostgresServer


@pytest.fixture
async def platform(tmp_path: Path, migrated: Migrate) -> AsyncIterator[Platform]:
    async with a_platform(tmp_path, migrated) as opened:
        yield opened


@pytest.fixture(params=["sqlite", "postgresql"])
async def every_platform(request: pytest.FixtureRequest, tmp_path: Path, migrated: Migrate) -> AsyncIterator[Platform]:
    """The platform on SQLite, and again with three databases of one Postgres."""
    with ExitStack() as stack:
        urls = None
        if request.param == "postgresql":
            server: PostgresServer = request.getfixturevalue("postgres_server")
            urls = {name: stack.enter_context(server.database(is_empty=False)) for name in SERVICES}
        async with a_platform(tmp_path, migrated, urls=urls) as opened:
            yield opened

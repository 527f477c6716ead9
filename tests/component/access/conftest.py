"""One platform for the tests of a module: thousands of requests, and hardly any of them changes anything."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.component.access.worlds import Platform, a_platform
from tests.support.databases import Migrate


@pytest.fixture
async def platform(tmp_path: Path, migrated: Migrate) -> AsyncIterator[Platform]:
    async with a_platform(tmp_path, migrated) as opened:
        yield opened

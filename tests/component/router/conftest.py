"""A fleet with one scripted engine, and a router in front of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.support.running_router import Fleet, RunningRouter
from tests.support.scripted_engine import Engine


@pytest_asyncio.fixture
async def fleet() -> AsyncIterator[Fleet]:
    async with Fleet() as running:
        yield running


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[Engine]:
    async with Engine() as running:
        yield running


@pytest_asyncio.fixture
async def router(tmp_path: Path, fleet: Fleet, engine: Engine) -> AsyncIterator[RunningRouter]:
    """Ready, with the engine as the only endpoint of the model `tiny`."""
    async with RunningRouter(tmp_path, fleet) as running:
        await fleet.serve(engine)
        await running.ready()
        yield running

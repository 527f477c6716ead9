"""One real llama.cpp for all clients that are held against it: it keeps nothing between requests that a test sees."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.real_llama_cpp import llama_cpp


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine_url() -> AsyncIterator[str]:
    """Its URL; with a chat template that knows tools. A module that needs another engine has a fixture of its own."""
    async with llama_cpp() as url:
        yield url

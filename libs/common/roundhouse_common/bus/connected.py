"""A connected bus as a resource of a service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from roundhouse_common.bus.api import Bus

__all__ = ["connected"]

B = TypeVar("B", bound=Bus)


@asynccontextmanager
async def connected(bus: B) -> AsyncIterator[B]:
    """Connect, or keep trying in the background; close at the end. For `Service.resource`."""
    await bus.connect()
    try:
        yield bus
    finally:
        await bus.close()

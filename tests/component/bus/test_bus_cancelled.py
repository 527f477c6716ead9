"""Whoever gives up connecting is believed, at whatever moment it comes."""

import asyncio
import socket
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from roundhouse_common.bus.metrics import BusMetrics
from roundhouse_common.bus.nats_session import NatsAddress, NatsSession
from roundhouse_common.bus.tasks import keeping_cancellation

MOMENTS = range(60)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that refuses every connection."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


async def test_a_cancellation_that_turned_into_an_error_is_not_lost() -> None:
    async def swallows() -> None:
        with keeping_cancellation():
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise OSError("no server") from None

    task = asyncio.create_task(swallows())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_connecting_ends_when_it_is_cancelled_at_any_moment(closed_port: int) -> None:
    address = NatsAddress(url=f"nats://127.0.0.1:{closed_port}", name="test", inbox_prefix="_INBOX.test")
    metrics = BusMetrics(CollectorRegistry())

    async def connects_for_ever() -> None:
        while True:
            try:
                await NatsSession.open(address, metrics)
            except OSError:
                await asyncio.sleep(0)

    went_on = []
    for moment in MOMENTS:
        task = asyncio.create_task(connects_for_ever())
        for _ in range(moment):
            await asyncio.sleep(0)
        task.cancel()
        for _ in range(1000):
            await asyncio.sleep(0)
        if not task.done():
            went_on.append(moment)
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
    assert went_on == []

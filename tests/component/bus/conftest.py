"""The bus under test: every behaviour test runs on the memory broker and on a real nats-server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from roundhouse_common.bus.core import WireBus
from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.runtime import SystemClock
from tests.support.eventually import eventually
from tests.support.nats import ADMIN, NODE_A, NatsServer

__all__ = ["BusWorld", "MemoryWorld", "NatsWorld"]

CLOCK = SystemClock()


class BusWorld:
    """A server and the buses that tests connect to it; all are closed at the end of the test."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._buses: list[WireBus] = []

    def make(self, service: Service, node_id: str) -> WireBus:
        raise NotImplementedError

    def kill(self) -> None:
        raise NotImplementedError

    async def restart(self, *, wiped: bool = False) -> None:
        """Start the killed server again, with its data or without any."""
        raise NotImplementedError

    async def delete_stream(self, name: str) -> None:
        """Delete a stream or bucket while connections stay up, as an administrator might."""
        raise NotImplementedError

    async def crash(self) -> None:
        """Kill the server, and wait until every bus noticed."""
        self.kill()
        await eventually(lambda: not any(bus.is_connected for bus in self._buses))

    async def bus(self, service: Service, node_id: str = "") -> WireBus:
        """Return a connected bus."""
        if service is Service.NODE_AGENT and not node_id:
            node_id = NODE_A
        bus = self.make(service, node_id)
        await bus.connect()
        self._stack.push_async_callback(bus.close)
        self._buses.append(bus)
        return bus

    @asynccontextmanager
    async def running(self, *loops: Callable[[], Awaitable[None]]) -> AsyncIterator[list[asyncio.Task[None]]]:
        """Run service loops while the block runs."""
        tasks = [asyncio.ensure_future(loop()) for loop in loops]
        try:
            yield tasks
        finally:
            for task in tasks:
                task.cancel()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(result, Exception):
                    raise result

    async def close(self) -> None:
        """Close every bus."""
        await self._stack.aclose()


class MemoryWorld(BusWorld):
    def __init__(self) -> None:
        super().__init__()
        self.broker = MemoryBroker(CLOCK)

    def make(self, service: Service, node_id: str) -> MemoryBus:
        return MemoryBus(self.broker, service, clock=CLOCK, node_id=node_id)

    def kill(self) -> None:
        self.broker.stop()

    async def restart(self, *, wiped: bool = False) -> None:
        if wiped:
            self.broker.wipe()
        self.broker.start()

    async def delete_stream(self, name: str) -> None:
        self.broker.delete_stream(name)


class NatsWorld(BusWorld):
    def __init__(self, server: NatsServer) -> None:
        super().__init__()
        self.server = server

    def make(self, service: Service, node_id: str) -> NatsBus:
        seed_file = self.server.seed_file(service, node_id)
        return NatsBus(service, url=self.server.url, seed_file=seed_file, clock=CLOCK, node_id=node_id)

    def kill(self) -> None:
        self.server.kill()

    async def restart(self, *, wiped: bool = False) -> None:
        if wiped:
            self.server.wipe()
        self.server.start()

    async def delete_stream(self, name: str) -> None:
        async with self.server.client(ADMIN) as client:
            await client.jetstream().delete_stream(name)


@pytest.fixture(params=["memory", "nats"])
def server_world(request: pytest.FixtureRequest) -> Iterator[BusWorld]:
    """A world without connections yet."""
    if request.param == "memory":
        yield MemoryWorld()
    else:
        yield NatsWorld(request.getfixturevalue("nats_server"))


@pytest.fixture
async def world(server_world: BusWorld) -> AsyncIterator[BusWorld]:
    """A running server with the streams and buckets of every service provisioned."""
    for service in (Service.CATALOG, Service.SCHEDULER, Service.METERING):
        await server_world.bus(service)
    try:
        yield server_world
    finally:
        await server_world.close()


async def connected(*buses: WireBus) -> None:
    """Wait until every bus is connected."""
    await eventually(lambda: all(bus.is_connected for bus in buses))

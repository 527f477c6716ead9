"""Durable consumers of a `MemoryBroker`."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from roundhouse_common.bus.memory_broker import MemoryBroker
from roundhouse_common.bus.memory_stream import MemoryConsumer, MemoryStream, Outstanding
from roundhouse_common.bus.wire import ConsumerSpec, Stored

__all__ = ["MemoryPuller"]

T = TypeVar("T")


class _Link(Protocol):
    """What a puller needs of its connection."""

    async def send(self, act: Callable[[], object]) -> None: ...

    async def exchange(self, act: Callable[[], T], *, timeout_s: float = 5.0) -> T: ...


class _MemoryPulled:
    """One delivery."""

    def __init__(self, link: _Link, stream: MemoryStream, consumer: MemoryConsumer, one: Outstanding) -> None:
        self._link = link
        self._stream = stream
        self._consumer = consumer
        self._one = one
        self._deliveries = one.deliveries

    @property
    def stored(self) -> Stored:
        return self._one.stored

    @property
    def deliveries(self) -> int:
        return self._deliveries

    async def ack(self) -> None:
        await self._link.send(lambda: self._consumer.outstanding.pop(self.stored.sequence, None))

    async def term(self) -> None:
        await self.ack()

    async def nak(self, delay_s: float) -> None:
        await self._link.send(lambda: self._due_in(delay_s))

    async def working(self) -> None:
        await self._link.send(lambda: self._due_in(self._consumer.spec.ack_wait_s))

    def _due_in(self, delay_s: float) -> None:
        self._one.due = asyncio.get_running_loop().time() + delay_s
        self._stream.touch()


class MemoryPuller:
    """`Puller` over a connection."""

    def __init__(self, link: _Link, broker: MemoryBroker, spec: ConsumerSpec) -> None:
        self._link = link
        self._broker = broker
        self._spec = spec

    async def pull(self, batch: int, wait_s: float) -> Sequence[_MemoryPulled]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while True:
            pulled, version = await self._link.exchange(lambda: self._take(batch))
            left_s = deadline - loop.time()
            if pulled or left_s <= 0:
                return pulled
            await self._wait_for_more(version, left_s)

    def _take(self, batch: int) -> tuple[list[_MemoryPulled], int]:
        stream = self._broker.stream(self._spec.stream)
        consumer = stream.consumers.setdefault(self._spec.durable, MemoryConsumer(self._spec))
        taken = stream.deliver(consumer, batch, asyncio.get_running_loop().time())
        return [_MemoryPulled(self._link, stream, consumer, one) for one in taken], stream.version

    async def _wait_for_more(self, version: int, left_s: float) -> None:
        stream = self._broker.stream(self._spec.stream)
        due = stream.consumers[self._spec.durable].next_due()
        if due is not None:
            left_s = min(left_s, max(0.0, due - asyncio.get_running_loop().time()))
        # Looks again now and then by itself: a wiped broker has another stream of the same name.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(left_s, 0.5)):
                await stream.wait_beyond(version)

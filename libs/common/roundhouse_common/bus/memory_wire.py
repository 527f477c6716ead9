"""One connection to a `MemoryBroker`, with faults that tests and simulations turn on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from roundhouse_common.bus.api import BusUnavailable, NotConnected, RevisionConflict
from roundhouse_common.bus.callbacks import ConnectionCallbacks
from roundhouse_common.bus.faults import Faults
from roundhouse_common.bus.memory_broker import Interest, MemoryBroker
from roundhouse_common.bus.memory_puller import MemoryPuller
from roundhouse_common.bus.wire import ConnectionCallback, ConsumerSpec, Packet, PacketHandler, Stored
from roundhouse_common.contracts.generate.streams import StreamConfig

__all__ = ["MemoryWire"]

T = TypeVar("T")

_RECONNECT_S = 0.05
_NOTICE_S = 9.0
"""How long a partition lasts before a client counts its connection as lost: the pings of the NATS bus take as long."""
_PENDING = 65_536
_CALL_S = 5.0


class _Listening:
    """A task that hands packets to one handler, in order of arrival."""

    def __init__(
        self, broker: MemoryBroker, wire: "MemoryWire", pattern: str, handler: PacketHandler, queue: str
    ) -> None:
        self._broker = broker
        self._handler = handler
        self._packets: asyncio.Queue[Packet] = asyncio.Queue(_PENDING)
        self._interest = Interest(pattern, queue, wire, lambda packet: wire.receive(self._packets, packet))
        self._task = asyncio.create_task(self._run(), name=f"listen-{pattern}")
        broker.add(self._interest)

    async def _run(self) -> None:
        while True:
            await self._handler(await self._packets.get())

    async def stop(self) -> None:
        self._broker.discard(self._interest)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class MemoryWire:
    """`Wire` to a broker in the same process."""

    def __init__(self, broker: MemoryBroker, faults: Faults) -> None:
        self._broker = broker
        self._faults = faults
        self._callbacks = ConnectionCallbacks()
        self._lost: asyncio.Future[None] | None = None
        self._is_wanted = False
        self._listening: list[_Listening] = []
        self._notice: asyncio.TimerHandle | None = None
        self._stop_watching_partitions = faults.on_partition(self._partition_changed)

    @property
    def is_connected(self) -> bool:
        return self._lost is not None

    async def connect(self, wait_s: float) -> None:
        self._is_wanted = True
        self._broker.attach(self)
        self.come_up()
        await asyncio.sleep(0)

    async def close(self) -> None:
        self._is_wanted = False
        self._stop_watching_partitions()
        self.connection_lost()
        self._broker.detach(self)
        for listening in self._listening:
            await listening.stop()

    def connection_lost(self) -> None:
        """Break the connection, as a dying server does."""
        self._forget_notice()
        if self._lost is not None:
            self._lost.set_result(None)
            self._lost = None
            self._callbacks.tell(False)

    def reconnect_soon(self) -> None:
        """Come back after the time a client needs to notice."""
        asyncio.get_running_loop().call_later(_RECONNECT_S, self.come_up)

    def come_up(self) -> None:
        """Connect if the broker runs and can be reached."""
        is_possible = self._broker.is_running and not self._faults.is_partitioned
        if self._is_wanted and is_possible and self._lost is None:
            self._lost = asyncio.get_running_loop().create_future()
            self._callbacks.tell(True)

    def _partition_changed(self) -> None:
        self._forget_notice()
        if self._faults.is_partitioned and self._lost is not None:
            self._notice = asyncio.get_running_loop().call_later(_NOTICE_S, self.connection_lost)
        elif self._is_wanted and self._lost is None:
            self.reconnect_soon()

    def _forget_notice(self) -> None:
        if self._notice is not None:
            self._notice.cancel()
            self._notice = None

    def on_connection(self, callback: ConnectionCallback) -> Callable[[], None]:
        return self._callbacks.add(callback)

    async def provision(self, configs: Sequence[StreamConfig]) -> None:
        await self.exchange(lambda: self._broker.provision(configs))

    async def publish(self, subject: str, payload: bytes, headers: Mapping[str, str]) -> None:
        packet = Packet(subject=subject, payload=payload, headers=dict(headers))
        await self.send(lambda: self._broker.publish(packet))

    async def request(self, subject: str, payload: bytes, headers: Mapping[str, str], timeout_s: float) -> Packet:
        async with self._inbox() as (inbox, answers):
            packet = Packet(subject=subject, payload=payload, headers=dict(headers), reply=inbox)
            heard = await self.exchange(lambda: self._broker.publish(packet), timeout_s=timeout_s)
            if not heard:
                raise BusUnavailable(f"nobody listens on {subject}")
            return await self._or_lost(answers.get(), timeout_s)

    async def gather(
        self,
        subject: str,
        payload: bytes,
        headers: Mapping[str, str],
        timeout_s: float,
        *,
        quiet_s: float | None = None,
    ) -> list[Packet]:
        found: list[Packet] = []
        async with self._inbox() as (inbox, answers):
            packet = Packet(subject=subject, payload=payload, headers=dict(headers), reply=inbox)
            if not await self.exchange(lambda: self._broker.publish(packet), timeout_s=timeout_s):
                return found
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    while True:
                        async with asyncio.timeout(quiet_s if found else None):
                            found.append(await answers.get())
        return found

    async def listen(self, subject: str, handler: PacketHandler, *, queue: str = "") -> _Listening:
        listening = _Listening(self._broker, self, subject, handler, queue)
        self._listening.append(listening)
        return listening

    async def store(self, subject: str, payload: bytes, headers: Mapping[str, str], timeout_s: float) -> int:
        return await self.exchange(lambda: self._broker.store(subject, payload, headers), timeout_s=timeout_s)

    async def last(self, stream: str, subject: str) -> Stored | None:
        return await self.exchange(lambda: self._broker.stream(stream).last(subject))

    async def read(self, stream: str, filter_subject: str) -> list[Stored]:
        return await self.exchange(lambda: self._broker.stream(stream).read(filter_subject))

    async def remove(self, stream: str, sequence: int) -> None:
        await self.exchange(lambda: self._broker.stream(stream).remove(sequence))

    async def created_at(self, stream: str) -> float:
        return await self.exchange(lambda: self._broker.stream(stream).created_at)

    async def make_consumer(self, stream: str, durable: str, filters: Sequence[str]) -> None:
        await self.created_at(stream)  # nobody outside takes from memory; the stream must be there all the same

    def puller(self, spec: ConsumerSpec) -> MemoryPuller:
        return MemoryPuller(self, self._broker, spec)

    def receive(self, packets: asyncio.Queue[Packet], packet: Packet) -> None:
        """Let a packet of the broker arrive here, through the faults. A full queue loses it."""
        lost = self._lost
        if lost is None or self._faults.drops():
            return

        def arrive() -> None:
            if self._lost is lost and not packets.full():
                packets.put_nowait(packet)

        for _ in range(self._faults.copies()):
            self._after_travel(arrive)

    async def send(self, act: Callable[[], object]) -> None:
        """Do something at the broker without an answer, through the faults. Raises BusUnavailable."""
        self._connection()
        for _ in range(self._faults.copies()):
            if not self._faults.drops():
                self._after_travel(act)
        await asyncio.sleep(0)

    async def exchange(self, act: Callable[[], T], *, timeout_s: float = _CALL_S) -> T:
        """Do something at the broker and bring back the result; request and answer may each be lost or late."""
        return await self._or_lost(self._round_trip(act), timeout_s)

    async def _round_trip(self, act: Callable[[], T]) -> T:
        await self._travel()
        try:
            return act()
        finally:
            if self._faults.copies() > 1:
                with contextlib.suppress(BusUnavailable, RevisionConflict):
                    act()  # the answer to the duplicate is nobody's
            await self._travel()

    async def _travel(self) -> None:
        if self._faults.drops():
            await asyncio.get_running_loop().create_future()  # never: the caller's deadline ends it
        await asyncio.sleep(self._faults.travel_s())

    def _after_travel(self, act: Callable[[], object]) -> None:
        travel_s = self._faults.travel_s()
        if travel_s > 0:
            asyncio.get_running_loop().call_later(travel_s, act)
        else:
            act()

    async def _or_lost(self, work: Awaitable[T], timeout_s: float) -> T:
        """Await, but no longer than the connection lives or the deadline allows."""
        task: asyncio.Future[T] = asyncio.ensure_future(work)
        try:
            lost = self._connection()
            both: set[asyncio.Future[Any]] = {task, lost}
            done, _ = await asyncio.wait(both, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if task in done:
                return task.result()
            raise BusUnavailable("the connection was lost" if lost in done else f"no answer within {timeout_s:g} s")
        finally:
            task.cancel()

    @contextlib.asynccontextmanager
    async def _inbox(self) -> AsyncIterator[tuple[str, asyncio.Queue[Packet]]]:
        answers: asyncio.Queue[Packet] = asyncio.Queue(_PENDING)
        subject = self._broker.new_inbox()
        interest = Interest(subject, "", self, lambda packet: self.receive(answers, packet))
        self._broker.add(interest)
        try:
            yield subject, answers
        finally:
            self._broker.discard(interest)

    def _connection(self) -> asyncio.Future[None]:
        if self._lost is None:
            raise NotConnected("not connected")
        return self._lost

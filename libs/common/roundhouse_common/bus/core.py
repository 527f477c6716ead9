"""The bus on top of a wire: contracts in, bytes out. NATS and memory share all of this."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from roundhouse_common.bus.access import Access
from roundhouse_common.bus.api import BusUnavailable, Handler, KeyValue, RemoteError, SignalHandler
from roundhouse_common.bus.codec import Undecodable, decode, encode
from roundhouse_common.bus.consumer import WireConsumer
from roundhouse_common.bus.headers import cloud_event_headers, event_headers, traced
from roundhouse_common.bus.key_value import WireBucket
from roundhouse_common.bus.letters import LetterBox
from roundhouse_common.bus.metrics import BusMetrics
from roundhouse_common.bus.provisioner import Provisioner
from roundhouse_common.bus.rpc import Answerer, read_answer
from roundhouse_common.bus.tasks import OwnedTasks
from roundhouse_common.bus.wire import STORE_S, ConsumerSpec, Packet, Wire
from roundhouse_common.contracts.base import Bucket, Event, Message, Rpc, Service, Signal, Stream
from roundhouse_common.contracts.finance import CloudEvent
from roundhouse_common.contracts.generate.permissions import reader_durable
from roundhouse_common.contracts.generate.subjects import any_subject, stream_name, subject_of
from roundhouse_common.runtime import Clock
from roundhouse_common.telemetry import SpanKind, span

__all__ = ["BusIdentity", "WireBus"]

M = TypeVar("M", bound=Message)
Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)

_ANSWERERS = "answerers"
_log = structlog.get_logger("roundhouse.bus")


@dataclass(frozen=True, slots=True, kw_only=True)
class BusIdentity:
    """Who is on the bus. `node_id` is set for node agents only."""

    service: Service
    instance: str
    node_id: str = ""


class WireBus:
    """`Bus` over a wire."""

    def __init__(
        self, wire: Wire, identity: BusIdentity, *, clock: Clock, metrics: BusMetrics, connect_wait_s: float = 2.0
    ) -> None:
        self._wire = wire
        self._identity = identity
        self._access = Access(identity.service, identity.node_id)
        self._source = f"roundhouse/{identity.service.value}/{identity.instance}"
        self._clock = clock
        self._metrics = metrics
        self._connect_wait_s = connect_wait_s
        self._tasks = OwnedTasks()
        self._provisioner = Provisioner(wire, identity.service)
        self._wire.on_connection(self._connection_changed)

    @property
    def is_connected(self) -> bool:
        return self._wire.is_connected

    async def connect(self) -> None:
        started = self._clock.monotonic()
        await self._wire.connect(self._connect_wait_s)
        left_s = self._connect_wait_s - (self._clock.monotonic() - started)
        if not self.is_connected:
            _log.warning("bus.not_connected_yet", service=self._identity.service.value)
        elif not await self._provisioner.wait(max(left_s, 0.1)):
            _log.warning("bus.not_provisioned_yet", service=self._identity.service.value)

    async def close(self) -> None:
        await self._tasks.close()
        await self._provisioner.close()
        await self._wire.close()

    def on_connection(self, callback: Callable[[bool], None]) -> Callable[[], None]:
        """Call back when a connection came up (True) or was lost (False); return what undoes that."""
        return self._wire.on_connection(callback)

    async def signal(self, contract: Signal[M], message: M, *ids: str) -> None:
        self._access.must_own(contract, ids)
        if not self._wire.is_connected:
            return
        try:
            await self._wire.publish(subject_of(contract, ids), encode(message), traced())
        except BusUnavailable:
            return  # losing a signal costs time, never truth

    async def append(self, contract: Event[M], message: M, *ids: str, event_id: str) -> int:
        self._access.must_own(contract, ids)
        headers = self._headers(contract, message, event_id)
        subject = subject_of(contract, ids)
        return await self._provisioner.with_stream(
            stream_name(contract), lambda: self._wire.store(subject, encode(message), headers, STORE_S)
        )

    async def make_reader(self, stream: Stream, name: str, contracts: Sequence[Event[Any]], *ids: str) -> None:
        for contract in contracts:
            self._access.must_own(contract, ids)
        filters = [any_subject(contract, ids) for contract in contracts]
        await self._provisioner.with_stream(
            stream.name, lambda: self._wire.make_consumer(stream.name, reader_durable(name), filters)
        )

    async def request(self, contract: Rpc[Q, R], message: Q, *ids: str, timeout_s: float = 5.0) -> R:
        self._access.must_ask(contract, ids)
        subject = subject_of(contract, ids)
        with span(f"ask {contract.subject}", kind=SpanKind.CLIENT):
            packet = await self._wire.request(subject, encode(message), traced(), timeout_s)
        return read_answer(contract, packet)

    async def request_all(
        self, contract: Rpc[Q, R], message: Q, *ids: str, timeout_s: float = 2.0, quiet_s: float | None = None
    ) -> list[R]:
        self._access.must_ask(contract, ids)
        subject = subject_of(contract, ids)
        packets = await self._wire.gather(subject, encode(message), traced(), timeout_s, quiet_s=quiet_s)
        answers = []
        for packet in packets:
            try:
                answers.append(read_answer(contract, packet))
            except RemoteError as error:
                _log.warning("bus.answer_refused", subject=contract.subject, code=error.code, error=str(error))
        return answers

    async def serve(
        self, contract: Rpc[Q, R], handler: Callable[[Q, tuple[str, ...]], Awaitable[R]], *ids: str
    ) -> None:
        self._access.must_serve(contract, ids)
        answerer = Answerer(self._wire, contract, handler, metrics=self._metrics)

        async def asked(packet: Packet) -> None:
            await self._tasks.start(f"answer-{contract.subject}", answerer.answer(packet))

        queue = "" if contract.is_broadcast else _ANSWERERS
        await self._wire.listen(any_subject(contract, ids), asked, queue=queue)

    async def subscribe(self, contract: Signal[M], handler: SignalHandler[M], *ids: str, group: str = "") -> None:
        self._access.must_read(contract)

        async def received(packet: Packet) -> None:
            await self._receive(contract, handler, packet)

        await self._wire.listen(any_subject(contract, ids), received, queue=group)

    def bucket(self, contract: Bucket[M]) -> KeyValue[M]:
        return WireBucket(
            self._wire,
            contract,
            provisioner=self._provisioner,
            access=self._access,
            metrics=self._metrics,
        )

    def consumer(
        self, contract: Event[M], durable: str, handler: Handler[M], *, batch: int = 256, ack_wait_s: float = 5.0
    ) -> WireConsumer[M]:
        self._access.must_consume(contract, durable)
        spec = ConsumerSpec(
            stream=stream_name(contract), durable=durable, filter_subject=f"{contract.subject}.>", ack_wait_s=ack_wait_s
        )
        return WireConsumer(
            contract,
            handler,
            spec=spec,
            puller=self._wire.puller(spec),
            letters=LetterBox(
                self._wire,
                self._identity.service,
                durable,
                source=self._source,
                clock=self._clock,
                provisioner=self._provisioner,
            ),
            batch=batch,
            metrics=self._metrics,
        )

    async def stream_created_at(self, contract: Event[M]) -> float:
        return await self._wire.created_at(stream_name(contract))

    def _headers(self, contract: Event[M], message: M, event_id: str) -> dict[str, str]:
        if isinstance(message, CloudEvent):
            return cloud_event_headers(message)
        schema, at = contract.message.__name__, self._clock.now()
        return event_headers(contract, schema=schema, source=self._source, event_id=event_id, at=at)

    async def _receive(self, contract: Signal[Any], handler: SignalHandler[Any], packet: Packet) -> None:
        ids = tuple(packet.subject.removeprefix(f"{contract.subject}.").split("."))
        try:
            message = decode(contract.message, packet.payload)
            with span(f"receive {contract.subject}", kind=SpanKind.CONSUMER, parent=packet.headers):
                await handler(message, ids)
        except Undecodable as error:
            self._metrics.undecodable.labels(contract.subject).inc()
            _log.warning("bus.signal_undecodable", subject=packet.subject, error=str(error))
        except Exception:  # noqa: BLE001  # supervises a handler: one bad signal must not end the subscription
            self._metrics.handler_errors.labels(contract.subject).inc()
            _log.exception("bus.signal_handler_failed", subject=packet.subject)

    def _connection_changed(self, is_up: bool) -> None:
        self._metrics.is_connected.set(1 if is_up else 0)
        if is_up:
            self._metrics.connections.inc()

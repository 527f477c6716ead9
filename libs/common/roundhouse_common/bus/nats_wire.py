"""The wire over NATS: a connection that is made again and again, and JetStream's API as far as Roundhouse needs it.

Which API subjects a service uses is its permission (`contracts/generate/permissions.py`); a call that is added here
needs one there.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import nats.errors
import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from roundhouse_common.bus.api import BusUnavailable, NotConnected, RevisionConflict
from roundhouse_common.bus.callbacks import ConnectionCallbacks
from roundhouse_common.bus.metrics import BusMetrics
from roundhouse_common.bus.nats_probe import listens
from roundhouse_common.bus.nats_puller import NatsPuller
from roundhouse_common.bus.nats_session import NatsAddress, NatsSession, status_of
from roundhouse_common.bus.tasks import backoff_s
from roundhouse_common.bus.wire import ConnectionCallback, ConsumerSpec, NoSuchStream, Packet, PacketHandler, Stored
from roundhouse_common.contracts.generate.streams import StreamConfig

__all__ = ["NatsWire"]

_API = "$JS.API"
_API_S = 5.0
_RECONNECT_MOST_S = 0.2
_RECONNECT_SOON = 25
"""After so many attempts, about five seconds, there is no hurry: each costs a fifth of a millisecond of a core."""
_RECONNECT_LATER_S = 1.0
_BATCH = 1024
_READER_ACK_S = 60.0
_CONFIG_DIFFERS = 10058
_WRONG_LAST_SEQUENCE = (10071, 10164)
_NOT_FOUND = 404
_REFUSED_HINT = "the server does not take these credentials: they were taken back, or are of another Roundhouse"
_log = structlog.get_logger("roundhouse.bus")


class _NatsListening:
    """An interest; subscribed anew on every connection."""

    def __init__(self, wire: "NatsWire", subject: str, handler: PacketHandler, queue: str) -> None:
        self._wire = wire
        self._subject = subject
        self._handler = handler
        self._queue = queue
        self._subscription: Subscription | None = None

    async def attach(self, session: NatsSession) -> None:
        self._subscription = await session.subscribe(self._subject, self._received, queue=self._queue)

    async def stop(self) -> None:
        self._wire.forget(self)
        if self._subscription is not None:
            try:
                await self._subscription.unsubscribe()
            except (nats.errors.Error, OSError):
                return  # the connection is gone, and the subscription with it

    async def _received(self, message: Msg) -> None:
        await self._handler(_packet(message))


class NatsWire:
    """`Wire` to a NATS server or cluster."""

    def __init__(
        self,
        address: NatsAddress,
        *,
        metrics: BusMetrics,
        replicas: int = 1,
        on_revoked: Callable[[], None] | None = None,
    ) -> None:
        self._on_revoked = on_revoked
        self._address = address
        self._metrics = metrics
        self._replicas = replicas
        self._session: NatsSession | None = None
        self._callbacks = ConnectionCallbacks()
        self._listening: list[_NatsListening] = []
        self._supervisor: asyncio.Task[None] | None = None
        self._is_up = asyncio.Event()

    @property
    def is_connected(self) -> bool:
        return self._session is not None and not self._session.lost.done()

    @property
    def session(self) -> NatsSession:
        """The connection there is now. Raises BusUnavailable."""
        if self._session is None or self._session.lost.done():
            raise NotConnected(f"not connected to {self._address.url}")
        return self._session

    async def connect(self, wait_s: float) -> None:
        self._address.credentials()  # what cannot be read is a mistake to be told now, not retried
        self._supervisor = asyncio.create_task(self._stay_connected(), name="nats-connection")
        try:
            async with asyncio.timeout(wait_s):
                await self._is_up.wait()
        except TimeoutError:
            return

    async def close(self) -> None:
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)

    def on_connection(self, callback: ConnectionCallback) -> Callable[[], None]:
        return self._callbacks.add(callback)

    async def provision(self, configs: Sequence[StreamConfig]) -> None:
        for config in configs:
            body = config.to_api(self._replicas)
            error = await self._try_api(f"STREAM.CREATE.{config.name}", body)
            if error.get("err_code") == _CONFIG_DIFFERS:
                error = await self._try_api(f"STREAM.UPDATE.{config.name}", body)
            if error:
                raise BusUnavailable(f"cannot provision stream {config.name}: {error.get('description')}")

    async def publish(self, subject: str, payload: bytes, headers: Mapping[str, str]) -> None:
        await self.session.publish(subject, payload, headers)

    async def request(self, subject: str, payload: bytes, headers: Mapping[str, str], timeout_s: float) -> Packet:
        message = await self.session.ask(subject, payload, headers, timeout_s)
        if status_of(message):
            raise BusUnavailable(f"nobody listens on {subject}")
        return _packet(message)

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
        async with self.session.asking(subject, payload, headers) as replies:
            try:
                async with asyncio.timeout(timeout_s):
                    while True:
                        async with asyncio.timeout(quiet_s if found else None):
                            message = await replies.get()
                        if message is None or status_of(message):
                            break
                        found.append(_packet(message))
            except TimeoutError:
                pass
        return found

    async def listen(self, subject: str, handler: PacketHandler, *, queue: str = "") -> _NatsListening:
        listening = _NatsListening(self, subject, handler, queue)
        self._listening.append(listening)
        if self.is_connected:
            try:
                await listening.attach(self.session)
            except BusUnavailable:
                _log.debug("bus.listens_later", subject=subject)  # the next connection subscribes
        return listening

    def forget(self, listening: _NatsListening) -> None:
        """Do not subscribe this again."""
        self._listening = [other for other in self._listening if other is not listening]

    async def store(self, subject: str, payload: bytes, headers: Mapping[str, str], timeout_s: float) -> int:
        message = await self.session.ask(subject, payload, headers, timeout_s)
        if status_of(message):
            raise NoSuchStream(f"no stream stores {subject}")
        answer: dict[str, Any] = json.loads(message.data)
        if error := answer.get("error"):
            if error.get("err_code") in _WRONG_LAST_SEQUENCE:
                raise RevisionConflict(f"{subject}: {error.get('description')}")
            raise BusUnavailable(f"{subject} was not stored: {error.get('description')}")
        return int(answer["seq"])

    async def last(self, stream: str, subject: str) -> Stored | None:
        message = await self.session.ask(f"{_API}.DIRECT.GET.{stream}.{subject}", b"", {}, _API_S)
        match status_of(message):
            case "":
                return _stored(message)
            case "404":
                return None
            case _:
                raise NoSuchStream(f"there is no stream {stream}")

    async def read(self, stream: str, filter_subject: str) -> list[Stored]:
        found: list[Stored] = []
        sequence = 1
        while sequence:
            batch, sequence = await self._read_from(stream, filter_subject, sequence)
            found.extend(batch)
        return found

    async def remove(self, stream: str, sequence: int) -> None:
        error = await self._try_api(f"STREAM.MSG.DELETE.{stream}", {"seq": sequence, "no_erase": True})
        if error and "no message found" not in error.get("description", ""):
            raise BusUnavailable(f"cannot delete {sequence} of {stream}: {error.get('description')}")

    async def created_at(self, stream: str) -> float:
        answer = await self.api(f"STREAM.INFO.{stream}", {})
        return datetime.fromisoformat(str(answer["created"])[:26].rstrip("Z") + "+00:00").timestamp()

    async def make_consumer(self, stream: str, durable: str, filters: Sequence[str]) -> None:
        config = {
            "durable_name": durable,
            "name": durable,
            "filter_subjects": list(filters),
            "deliver_policy": "all",
            "ack_policy": "explicit",
            "ack_wait": int(_READER_ACK_S * 1e9),
            "max_deliver": -1,
        }
        await self.api(f"CONSUMER.CREATE.{stream}.{durable}", {"stream_name": stream, "config": config})

    def puller(self, spec: ConsumerSpec) -> NatsPuller:
        return NatsPuller(self, spec)

    async def api(self, subject: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Call JetStream's API. Raises NoSuchStream for anything that does not exist, else BusUnavailable."""
        message = await self.session.ask(f"{_API}.{subject}", json.dumps(body).encode(), {}, _API_S)
        if status_of(message):
            raise BusUnavailable(f"JetStream does not answer {subject}")
        answer: dict[str, Any] = json.loads(message.data)
        if error := answer.get("error"):
            error_class = NoSuchStream if error.get("code") == _NOT_FOUND else BusUnavailable
            raise error_class(f"{subject}: {error.get('description')}")
        return answer

    async def _try_api(self, subject: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Call the API and return its error, empty when there is none."""
        message = await self.session.ask(f"{_API}.{subject}", json.dumps(body).encode(), {}, _API_S)
        if status_of(message):
            raise BusUnavailable(f"JetStream does not answer {subject}")
        error: dict[str, Any] = json.loads(message.data).get("error", {})
        return error

    async def _read_from(self, stream: str, filter_subject: str, sequence: int) -> tuple[list[Stored], int]:
        """Return one batch and the sequence to go on with, 0 at the end."""
        question = json.dumps({"seq": sequence, "batch": _BATCH, "next_by_subj": filter_subject}).encode()
        batch: list[Stored] = []
        async with self.session.asking(f"{_API}.DIRECT.GET.{stream}", question, {}) as replies:
            try:
                async with asyncio.timeout(_API_S):
                    while message := await replies.get():
                        match status_of(message):
                            case "":
                                batch.append(_stored(message))
                            case "204":
                                is_end = (message.headers or {}).get("Nats-Num-Pending", "0") == "0"
                                return batch, 0 if is_end or not batch else batch[-1].sequence + 1
                            case "404":
                                return batch, 0
                            case _:
                                raise NoSuchStream(f"there is no stream {stream}")
            except TimeoutError:
                raise BusUnavailable(f"stream {stream} was not read within {_API_S:g} s") from None
        raise BusUnavailable("the connection was lost")

    async def _stay_connected(self) -> None:
        failures = 0
        while True:
            try:
                if failures and not await listens(self._address.url):
                    raise ConnectionError("nobody listens there")
                session = await NatsSession.open(self._address, self._metrics)
            except Exception as error:  # noqa: BLE001  # supervises the connection: nothing may end the attempts
                failures += 1
                if failures == 1:
                    why = str(error) or repr(error)
                    hint = _REFUSED_HINT if "authorization violation" in why.lower() else ""
                    _log.warning("bus.cannot_connect", url=self._address.url, error=why, hint=hint)
                most_s = _RECONNECT_MOST_S if failures <= _RECONNECT_SOON else _RECONNECT_LATER_S
                await asyncio.sleep(backoff_s(failures, first_s=0.05, most_s=most_s))
                continue
            failures = 0
            await self._live(session)

    async def _live(self, session: NatsSession) -> None:
        """Restore every interest on a new connection, then wait for its end."""
        try:
            for listening in list(self._listening):
                await listening.attach(session)
            self._session = session
            self._is_up.set()
            _log.info("bus.connected", url=self._address.url)
            self._callbacks.tell(True)
            await asyncio.wait({session.lost})
        except BusUnavailable as error:
            _log.warning("bus.connection_not_restored", error=str(error))
        finally:
            was_up = self._session is session
            self._session = None
            self._is_up.clear()
            if was_up:
                self._callbacks.tell(False)
            await session.close()
        _log.warning("bus.connection_lost", url=self._address.url, is_revoked=session.is_revoked)
        if session.is_revoked and self._on_revoked is not None:
            self._on_revoked()


def _packet(message: Msg) -> Packet:
    return Packet(
        subject=message.subject, payload=message.data, headers=message.headers or {}, reply=message.reply or ""
    )


def _stored(message: Msg) -> Stored:
    """Read what a direct get returns: the original subject and sequence are in headers."""
    headers = dict(message.headers or {})
    return Stored(
        subject=headers.pop("Nats-Subject"),
        sequence=int(headers.pop("Nats-Sequence")),
        payload=message.data or b"",
        headers=headers,
    )

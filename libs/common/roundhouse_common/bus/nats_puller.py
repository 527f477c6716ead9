"""Pulling from a durable JetStream consumer.

nats-py's `fetch` waits for a full batch until its timeout once the first message came; here a pull returns what there
is: first what waits already, and when nothing does, the first message to come and all that came with it.
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from nats.aio.msg import Msg

from roundhouse_common.bus.api import BusUnavailable
from roundhouse_common.bus.nats_session import NatsSession, status_of
from roundhouse_common.bus.wire import ConsumerSpec, NoSuchStream, Stored

__all__ = ["NatsPuller"]

_NS = 1_000_000_000
_ANSWER_S = 2.0
"""How long past its own expiry a pull may stay without any answer before the consumer counts as lost."""


class _Link(Protocol):
    """What a puller needs of the wire."""

    @property
    def session(self) -> NatsSession: ...

    async def api(self, subject: str, body: Mapping[str, Any]) -> dict[str, Any]: ...


class _NatsPulled:
    """One delivery; settled by a message to its own reply subject."""

    def __init__(self, session: NatsSession, message: Msg) -> None:
        metadata = message.metadata
        self._session = session
        self._reply = message.reply
        self._deliveries = int(metadata.num_delivered)
        self._stored = Stored(
            subject=message.subject,
            payload=message.data,
            headers=message.headers or {},
            sequence=int(metadata.sequence.stream),
        )

    @property
    def stored(self) -> Stored:
        return self._stored

    @property
    def deliveries(self) -> int:
        return self._deliveries

    async def ack(self) -> None:
        await self._settle(b"+ACK")

    async def term(self) -> None:
        await self._settle(b"+TERM")

    async def nak(self, delay_s: float) -> None:
        await self._settle(b"-NAK " + json.dumps({"delay": int(delay_s * _NS)}).encode() if delay_s else b"-NAK")

    async def working(self) -> None:
        await self._settle(b"+WPI")

    async def _settle(self, how: bytes) -> None:
        if self._session.lost.done():
            raise BusUnavailable("the connection that delivered this message was lost")
        await self._session.publish(self._reply, how, {})


class NatsPuller:
    """`Puller` over a NATS connection. One pull at a time."""

    def __init__(self, link: _Link, spec: ConsumerSpec) -> None:
        self._link = link
        self._spec = spec
        self._session: NatsSession | None = None
        self._inbox = ""
        self._pulls = 0
        self._arrived: asyncio.Queue[Msg] = asyncio.Queue()  # bounded by the batch that was asked for

    async def pull(self, batch: int, wait_s: float) -> Sequence[_NatsPulled]:
        session = self._link.session
        if session is not self._session:
            await self._attach(session)
        taken: list[_NatsPulled] = []
        try:
            await self._take(session, taken, batch, expires_s=0.0)
            if not taken:
                await self._take(session, taken, 1, expires_s=wait_s)
                if taken and batch > 1:
                    await self._take(session, taken, batch, expires_s=0.0)
        except asyncio.CancelledError:
            with contextlib.suppress(BusUnavailable):
                for one in (*taken, *self._drained(session)):
                    await one.nak(0.0)
            raise
        except BusUnavailable:
            self._session = None
            if not taken:
                raise
        return taken

    async def _attach(self, session: NatsSession) -> None:
        """Make sure that the consumer exists, and listen for what it delivers on this connection."""
        spec = self._spec
        config = {
            "durable_name": spec.durable,
            "name": spec.durable,
            "filter_subject": spec.filter_subject,
            "deliver_policy": "all",
            "ack_policy": "explicit",
            "ack_wait": int(spec.ack_wait_s * _NS),
            "max_deliver": -1,
            "max_ack_pending": spec.max_ack_pending,
        }
        subject = f"CONSUMER.CREATE.{spec.stream}.{spec.durable}.{spec.filter_subject}"
        await self._link.api(subject, {"stream_name": spec.stream, "config": config})
        if not self._inbox.startswith(f"{session.prefix}."):
            inbox = session.new_inbox()
            self._arrived = asyncio.Queue()
            await session.subscribe(f"{inbox}.*", self._receive)
            self._inbox = inbox
        self._session = session

    async def _receive(self, message: Msg) -> None:
        self._arrived.put_nowait(message)

    async def _take(self, session: NatsSession, taken: list[_NatsPulled], most: int, *, expires_s: float) -> None:
        """Ask for messages and collect them until there are `most` or the server says that there are no more."""
        self._pulls += 1
        reply = f"{self._inbox}.{self._pulls}"
        waits: dict[str, Any] = {"expires": int(expires_s * _NS)} if expires_s else {"no_wait": True}
        question = json.dumps({"batch": most - len(taken), **waits}).encode()
        next_subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._spec.stream}.{self._spec.durable}"
        await session.publish(next_subject, question, {}, reply=reply)
        try:
            async with asyncio.timeout(expires_s + _ANSWER_S):
                while len(taken) < most:
                    message = await self._next(session)
                    status = status_of(message)
                    if not status:
                        taken.append(_NatsPulled(session, message))
                    elif message.subject == reply:  # else it is the end of an earlier pull
                        self._end(status, message)
                        return
        except TimeoutError:
            raise BusUnavailable(f"consumer {self._spec.durable} does not answer") from None

    async def _next(self, session: NatsSession) -> Msg:
        if not self._arrived.empty():
            return self._arrived.get_nowait()
        get = asyncio.ensure_future(self._arrived.get())
        try:
            both: set[asyncio.Future[Any]] = {get, session.lost}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if get.done():
                return get.result()
            raise BusUnavailable("the connection was lost")
        finally:
            get.cancel()

    def _end(self, status: str, message: Msg) -> None:
        """Tell the end of a pull (404: nothing waits, 408: it expired) from a consumer that is gone."""
        if status == "503":
            raise NoSuchStream(f"there is no consumer {self._spec.durable} of {self._spec.stream}")
        if status not in ("404", "408"):
            reason = (message.headers or {}).get("Description", "")
            raise BusUnavailable(f"consumer {self._spec.durable}: {status} {reason}")

    def _drained(self, session: NatsSession) -> list[_NatsPulled]:
        drained = []
        while not self._arrived.empty():
            message = self._arrived.get_nowait()
            if not status_of(message):
                drained.append(_NatsPulled(session, message))
        return drained

"""One connection to a NATS server, from connect to loss. It never reconnects: `nats_wire.py` opens the next one.

nats-py can reconnect by itself, but then a client that met certain errors (`-ERR` other than a permission) closes for
good, requests in flight wait for their own timeout, and signals sent meanwhile are delivered late. With one client
per connection a loss is an event that ends everything at once, and every start is the same start.
"""

import asyncio
import base64
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.nuid import NUID

from roundhouse_common.bus.api import BusUnavailable, MessageTooLarge
from roundhouse_common.bus.metrics import BusMetrics
from roundhouse_common.bus.tasks import keeping_cancellation
from roundhouse_common.nats_auth.credentials import Credentials
from roundhouse_common.nats_auth.keys import sign

__all__ = ["NatsAddress", "NatsSession", "proof_of", "status_of"]

_CONNECT_S = 3.0
_FLUSH_S = 2.0
_PING_S = 3.0
"""A server that vanished without closing is noticed after two unanswered pings."""
_REVOKED = "user authentication revoked"
_log = structlog.get_logger("roundhouse.bus")


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsAddress:
    """Where to connect and as whom."""

    url: str
    """One URL, or several of a cluster, separated by commas."""
    name: str
    inbox_prefix: str
    """Replies come below it; the permissions allow no other."""
    seed_file: Path | None = None
    """A seed, or a credentials file of NATS with a seed and its JWT."""
    known_credentials: Credentials | None = None
    """In place of a file."""

    def credentials(self) -> Credentials | None:
        """Read the file: at every connect, so that it can be changed. Raises OSError or ValueError."""
        if self.known_credentials is not None:
            return self.known_credentials
        return Credentials.parse(self.seed_file.read_text()) if self.seed_file else None


# Any: keyword arguments of nats-py.
def proof_of(credentials: Credentials | None) -> dict[str, Any]:
    """Return how nats-py proves who connects: not at all, by the key, or by a signed user with its key."""
    if credentials is None:
        return {}
    if not credentials.jwt:
        return {"nkeys_seed_str": credentials.seed}
    return {
        "user_jwt_cb": lambda: bytearray(credentials.jwt.encode()),
        "signature_cb": lambda nonce: base64.b64encode(sign(credentials.seed, nonce.encode())),
    }


def status_of(message: Msg) -> str:
    """Return the status of a message that the server made, such as `404`; empty for one that somebody sent."""
    return str((message.headers or {}).get("Status", ""))


@dataclass(eq=False, slots=True)
class NatsSession:
    """A live connection. `lost` is done when it is not live any more."""

    client: Client
    lost: "asyncio.Future[None]"
    prefix: str
    _metrics: BusMetrics
    _waiting: dict[str, Callable[[Msg | None], None]] = field(default_factory=dict)
    _tokens: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _logged: set[str] = field(default_factory=set)
    _is_live: bool = False
    _refused: str = ""
    """Why an attempt to connect failed: nats-py raises only that it ran out of servers."""

    @classmethod
    async def open(cls, address: NatsAddress, metrics: BusMetrics) -> "NatsSession":
        """Connect once. Raises OSError, TimeoutError or nats.errors.Error."""
        client = Client()
        prefix = f"{address.inbox_prefix}.{NUID().next().decode()}"
        session = cls(client, asyncio.get_running_loop().create_future(), prefix, metrics)
        try:
            async with asyncio.timeout(_CONNECT_S):
                with keeping_cancellation():
                    await session._connect(address)
        except BaseException as error:
            session._fail()
            with keeping_cancellation(), contextlib.suppress(AssertionError, OSError, nats.errors.Error):
                await client.close()  # refused where it has not come far enough
            if isinstance(error, nats.errors.NoServersError):
                raise ConnectionError(session._refused or str(error)) from error
            raise
        session._is_live = True
        return session

    async def _connect(self, address: NatsAddress) -> None:
        # With no reconnects and one attempt, a refused connection is an error at once: nats-py's own first connect
        # would wait 2 s between attempts, or retry silently for ever (measured).
        await self.client.connect(
            servers=address.url.split(","),
            name=address.name,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=2,
            ping_interval=int(_PING_S),
            max_outstanding_pings=2,
            error_cb=self._error,
            closed_cb=self._closed,
            inbox_prefix=address.inbox_prefix,
            **proof_of(address.credentials()),
        )
        await self.client.subscribe(f"{self.prefix}.rpc.*", cb=self._replied)

    async def close(self) -> None:
        """Send what is pending and disconnect; nothing happens when the connection is lost already."""
        with keeping_cancellation():
            if not self.lost.done():
                try:
                    await self._server_has_it()
                except (nats.errors.Error, OSError) as error:
                    _log.debug("bus.flush_failed", error=str(error))
            self._fail()
            await self.client.close()

    async def publish(self, subject: str, payload: bytes, headers: Mapping[str, str], reply: str = "") -> None:
        """Hand a message to the client. Raises BusUnavailable or MessageTooLarge."""
        try:
            with keeping_cancellation():
                await self.client.publish(subject, payload, reply=reply, headers=dict(headers) or None)
        except nats.errors.MaxPayloadError as error:
            most = self.client.max_payload
            raise MessageTooLarge(f"{len(payload)} bytes on {subject}; the server takes {most}") from error
        except (nats.errors.Error, OSError) as error:
            raise BusUnavailable(f"cannot publish on {subject}: {error}") from error

    async def subscribe(self, subject: str, on_message: Callable[[Msg], Any], *, queue: str = "") -> Subscription:
        """Subscribe, and return when the server knows. Raises BusUnavailable."""
        try:
            with keeping_cancellation():
                subscription = await self.client.subscribe(subject, queue=queue, cb=on_message)
                await self._server_has_it()
        except (nats.errors.Error, OSError) as error:
            raise BusUnavailable(f"cannot subscribe to {subject}: {error}") from error
        return subscription

    def new_inbox(self) -> str:
        """Return a subject that nobody else on this connection listens on."""
        return f"{self.prefix}.own.{next(self._tokens)}"

    async def ask(self, subject: str, payload: bytes, headers: Mapping[str, str], timeout_s: float) -> Msg:
        """Return the first reply, which may be a status. Raises BusUnavailable."""
        async with self.asking(subject, payload, headers) as replies:
            try:
                async with asyncio.timeout(timeout_s):
                    reply = await replies.get()
            except TimeoutError:
                raise BusUnavailable(f"no answer on {subject} within {timeout_s:g} s") from None
        if reply is None:
            raise BusUnavailable("the connection was lost")
        return reply

    @contextlib.asynccontextmanager
    async def asking(
        self, subject: str, payload: bytes, headers: Mapping[str, str]
    ) -> AsyncIterator["asyncio.Queue[Msg | None]"]:
        """Publish a question and yield the queue of its replies; None in it says that the connection was lost."""
        replies: asyncio.Queue[Msg | None] = asyncio.Queue()  # bounded by what the question asks for
        token = str(next(self._tokens))
        if self.lost.done():
            raise BusUnavailable("the connection was lost")
        self._waiting[token] = replies.put_nowait
        try:
            await self.publish(subject, payload, headers, reply=f"{self.prefix}.rpc.{token}")
            yield replies
        finally:
            del self._waiting[token]

    async def _server_has_it(self) -> None:
        """Return when the server has processed everything sent so far.

        nats-py writes the PING of a flush past the commands that wait for its flusher; by the time of the answer
        those are written too, so that the second PING is behind them (measured: subscriptions came late).
        """
        await self.client.flush(timeout=int(_FLUSH_S))
        await self.client.flush(timeout=int(_FLUSH_S))

    async def _replied(self, message: Msg) -> None:
        waiting = self._waiting.get(message.subject.rsplit(".", 1)[1])
        if waiting:
            waiting(message)

    @property
    def is_revoked(self) -> bool:
        """Whether it was lost because the server takes these credentials no more."""
        return _REVOKED in str(self.client.last_error).lower()

    async def _closed(self) -> None:
        self._fail()

    def _fail(self) -> None:
        if not self.lost.done():
            self.lost.set_result(None)
            for waiting in list(self._waiting.values()):
                waiting(None)

    async def _error(self, error: Exception) -> None:
        """Count what the client reports; log each text once per connection, because a refused subject may repeat."""
        text = str(error)
        if not self._is_live:
            self._refused = text
        is_permission = "permissions violation" in text.lower()
        if is_permission:
            self._metrics.permission_errors.inc()
        self._metrics.client_errors.labels(type(error).__name__).inc()
        is_told_elsewhere = not self._is_live or isinstance(error, nats.errors.UnexpectedEOF)
        if is_told_elsewhere or text in self._logged or len(self._logged) > 100:
            return
        self._logged.add(text)
        if is_permission:
            _log.error("bus.permission_refused", error=text)
        else:
            _log.warning("bus.client_error", error=text, kind=type(error).__name__)

"""The bus as services see it: Protocols that the NATS bus and the memory bus both keep.

One behaviour suite (`tests/component/bus/`) runs on both. Semantics that callers may rely on:

- Nothing here retries for ever: every call takes a deadline and raises `BusUnavailable` when it passes.
- `append` returns only after the server stored the event. The same `event_id` twice is stored once within the
  stream's duplicate window; beyond it consumers must be idempotent, always.
- A `Consumer` acknowledges a batch after the handler returned. `PermanentError` sends the message to the dead
  letters; any other exception redelivers it later, with a growing delay, without an end.
- A `Projection` is level-triggered: it lists the whole bucket at the start, after each reconnect and every
  `relist_s`, and is only hurried by the watch.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from roundhouse_common.contracts.base import Bucket, Event, Message, Rpc, Signal, Stream
from roundhouse_common.contracts.operations import DeadLetter
from roundhouse_common.errors import RoundhouseError

__all__ = [
    "Bus",
    "BusUnavailable",
    "Consumer",
    "Delivery",
    "Entry",
    "Handler",
    "KeyValue",
    "MessageTooLarge",
    "NotConnected",
    "PermanentError",
    "RemoteError",
    "RevisionConflict",
    "SignalHandler",
]

M = TypeVar("M", bound=Message)
Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)


class BusUnavailable(RoundhouseError):
    """The server did not answer in time, or there is no connection. Try again later."""

    code = "bus_unavailable"
    status = 503
    retryable = True


class NotConnected(BusUnavailable):
    """There is no connection. Who looks again when there is one need not try before."""


class MessageTooLarge(RoundhouseError):
    """The message is larger than the server takes; trying again does not help."""

    code = "message_too_large"
    status = 413


class RevisionConflict(RoundhouseError):
    """Compare-and-set failed: somebody wrote the key since it was read."""

    code = "revision_conflict"
    status = 409
    retryable = True


class PermanentError(Exception):
    """Raised by a handler: this message can never be processed. It goes to the dead letters."""


class RemoteError(RoundhouseError):
    """The answering service refused the question; `code`, `status` and the message are its own."""

    code = "remote_error"
    status = 502

    def __init__(self, message: str, *, code: str = "remote_error", status: int = 502) -> None:
        super().__init__(message)
        self.code = code  # type: ignore[misc]  # this instance speaks for another service's error class
        self.status = status  # type: ignore[misc]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Generic[M]):
    """One key of a bucket."""

    key: str
    revision: int
    value: M


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery(Generic[M]):
    """One event as a consumer receives it."""

    message: M
    event_id: str
    subject: str
    stream_sequence: int
    deliveries: int
    """1 at the first delivery."""
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Sequence[Delivery[M]]], Awaitable[None]]
"""Takes a batch in order. It must be idempotent. All of the batch is acknowledged when it returns; when it raises,
the consumer delivers the messages again one by one, so that one bad message does not hold up the others."""

SignalHandler = Callable[[M, tuple[str, ...]], Awaitable[None]]
"""Takes the message and its identifier tokens."""


class KeyValue(Protocol[M]):
    """A bucket. Only the owner writes."""

    async def get(self, key: str) -> Entry[M] | None:
        """Return the current entry, or None."""

    async def put(self, key: str, value: M, *, expected_revision: int | None = None) -> int:
        """Write and return the new revision. With `expected_revision` (0: must not exist) compare and set."""

    async def delete(self, key: str) -> None:
        """Remove the key. Readers of the buckets of Roundhouse never take absence for an order."""

    async def list(self, *, only_key: str | None = None) -> dict[str, Entry[M]]:
        """Return every entry: a read of the server, not of a cache. Undecodable entries are logged and left out.

        With `only_key`, read that key alone: all that a node agent may do.
        """

    def watch(self, *, only_key: str | None = None) -> AbstractAsyncContextManager[AsyncIterator[Entry[M] | None]]:
        """Yield changes from now on, and None when the connection was lost or came back: changes may be missing.

        Deletions are not among them. The iterator never ends; cancelling `anext` loses nothing.
        """


class Consumer(Protocol):
    """A durable pull consumer of one event contract."""

    async def run(self) -> None:
        """Fetch and handle until cancelled; on cancellation the batch in hand is finished or handed back."""

    async def letters(self) -> list[DeadLetter]:
        """Return the dead letters of this consumer, oldest first; `letter_id` is the id to replay."""

    async def replay(self, letter_id: str) -> None:
        """Run the handler on the letter; remove it when that succeeds. Raises LookupError for an unknown id."""

    async def discard(self, letter_id: str) -> None:
        """Remove the letter without handling it, for good. Raises LookupError for an unknown id."""


class Bus(Protocol):
    """A connection of one service. `connect`, then use from any task of one event loop, then `close`."""

    @property
    def is_connected(self) -> bool:
        """Whether the server answers now."""

    async def connect(self) -> None:
        """Connect, within a deadline, or keep trying in the background: returns either way.

        Provisions the streams and buckets of this service whenever a connection comes up.
        """

    async def close(self) -> None:
        """Flush and disconnect."""

    async def signal(self, contract: Signal[M], message: M, *ids: str) -> None:
        """Publish without a stream. Silently lost when there is no connection."""

    async def append(self, contract: Event[M], message: M, *ids: str, event_id: str) -> int:
        """Store an event and return its stream sequence. Raises BusUnavailable."""

    async def make_reader(self, stream: Stream, name: str, contracts: Sequence[Event[Any]], *ids: str) -> None:
        """Make sure that a program outside has its durable consumer of these events; `ids` as in `subscribe`. Safe to
        repeat. Raises BusUnavailable."""

    async def request(self, contract: Rpc[Q, R], message: Q, *ids: str, timeout_s: float = 5.0) -> R:
        """Ask and return the answer. Raises BusUnavailable (also: nobody listens) or RemoteError."""

    async def request_all(
        self, contract: Rpc[Q, R], message: Q, *ids: str, timeout_s: float = 2.0, quiet_s: float | None = None
    ) -> list[R]:
        """Ask everyone who serves it and return what came back in time.

        With `quiet_s` it is over when after an answer nothing more came for so long.
        """

    async def serve(
        self, contract: Rpc[Q, R], handler: Callable[[Q, tuple[str, ...]], Awaitable[R]], *ids: str
    ) -> None:
        """Answer questions until closed, also after reconnects. `ids` restricts the subject; default is any.

        A RoundhouseError raised by the handler travels to the asker as RemoteError.
        """

    async def subscribe(self, contract: Signal[M], handler: SignalHandler[M], *ids: str, group: str = "") -> None:
        """Receive signals until closed, also after reconnects. `ids` restricts the subject; default is any.

        Of several subscribers with the same `group` one gets each signal.
        """

    def bucket(self, contract: Bucket[M]) -> KeyValue[M]:
        """Return the bucket. Cheap; no I/O."""

    def consumer(self, contract: Event[M], durable: str, handler: Handler[M], *, batch: int = 256) -> Consumer:
        """Return a durable consumer; nothing happens until `run`."""

    async def stream_created_at(self, contract: Event[M]) -> float:
        """Return when the contract's stream was created (Unix seconds): it changes when JetStream was wiped."""

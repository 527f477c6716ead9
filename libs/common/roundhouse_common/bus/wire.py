"""The seam between what the bus promises (`core.py`) and what carries it: NATS, or memory in tests and simulations.

A wire moves bytes. It knows subjects, streams and durable consumers, but no contracts and no messages.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from roundhouse_common.bus.api import BusUnavailable
from roundhouse_common.contracts.generate.streams import StreamConfig

__all__ = [
    "STORE_S",
    "ConnectionCallback",
    "ConsumerSpec",
    "Listening",
    "NoSuchStream",
    "Packet",
    "PacketHandler",
    "Pulled",
    "Puller",
    "Stored",
    "Wire",
]


STORE_S = 5.0
"""How long a write to a stream may take."""


class NoSuchStream(BusUnavailable):
    """Nobody stores this subject now: the stream was not provisioned yet, or it was deleted."""

    code = "no_such_stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """A message as bytes."""

    subject: str
    payload: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    reply: str = ""
    """Where an answer goes; empty when none is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored(Packet):
    """A message as a stream keeps it."""

    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerSpec:
    """A durable pull consumer; it redelivers without an end, what gives up is the handler."""

    stream: str
    durable: str
    filter_subject: str
    ack_wait_s: float
    """What a killed process had in hand comes again after this long; a living one says that it still works."""
    max_ack_pending: int = 10_000


class Pulled(Protocol):
    """One delivery of a stored message. It comes again unless it is acknowledged or terminated."""

    @property
    def stored(self) -> Stored: ...

    @property
    def deliveries(self) -> int: ...

    async def ack(self) -> None: ...

    async def nak(self, delay_s: float) -> None: ...

    async def term(self) -> None: ...

    async def working(self) -> None:
        """Start the time to acknowledge afresh."""


class Puller(Protocol):
    """A durable consumer; created on the server when it is first pulled from, and again when it is gone."""

    async def pull(self, batch: int, wait_s: float) -> Sequence[Pulled]:
        """Return what is there, at most `batch`, waiting `wait_s` for the first. Raises BusUnavailable."""


class Listening(Protocol):
    """An interest in a subject that outlives connections."""

    async def stop(self) -> None: ...


PacketHandler = Callable[[Packet], Awaitable[None]]
ConnectionCallback = Callable[[bool], None]
"""Called with True when a connection came up (and every interest is known to the server), False when it was lost."""


class Wire(Protocol):
    """A connection that comes back by itself. Every call raises BusUnavailable when there is none."""

    @property
    def is_connected(self) -> bool: ...

    async def connect(self, wait_s: float) -> None:
        """Begin to connect; return when connected or after `wait_s`."""

    async def close(self) -> None: ...

    def on_connection(self, callback: ConnectionCallback) -> Callable[[], None]:
        """Call back at every change of the connection; return what undoes that."""

    async def provision(self, configs: Sequence[StreamConfig]) -> None:
        """Create or update the streams. Raises BusUnavailable; safe to repeat."""

    async def publish(self, subject: str, payload: bytes, headers: Mapping[str, str]) -> None: ...

    async def request(self, subject: str, payload: bytes, headers: Mapping[str, str], timeout_s: float) -> Packet:
        """Return the first answer. Raises BusUnavailable, at once when nobody listens."""

    async def gather(
        self,
        subject: str,
        payload: bytes,
        headers: Mapping[str, str],
        timeout_s: float,
        *,
        quiet_s: float | None = None,
    ) -> list[Packet]:
        """Return every answer that comes within `timeout_s`; none when nobody listens.

        With `quiet_s` it is over when after an answer nothing more came for so long.
        """

    async def listen(self, subject: str, handler: PacketHandler, *, queue: str = "") -> Listening:
        """Call `handler` for each packet, one after the other; with `queue`, only one listener of the group gets it."""

    async def store(self, subject: str, payload: bytes, headers: Mapping[str, str], timeout_s: float) -> int:
        """Return the sequence once the stream has it. Raises RevisionConflict, NoSuchStream, BusUnavailable."""

    async def last(self, stream: str, subject: str) -> Stored | None:
        """Return the newest message on a subject. Raises NoSuchStream."""

    async def read(self, stream: str, filter_subject: str) -> list[Stored]:
        """Return everything the stream keeps on the filter, oldest first. Raises NoSuchStream."""

    async def remove(self, stream: str, sequence: int) -> None:
        """Delete one message; nothing happens when it is gone."""

    async def created_at(self, stream: str) -> float:
        """Return when the stream was created, Unix seconds. Raises NoSuchStream."""

    async def make_consumer(self, stream: str, durable: str, filters: Sequence[str]) -> None:
        """Create or update a durable pull consumer that somebody else takes from. Raises NoSuchStream."""

    def puller(self, spec: ConsumerSpec) -> Puller: ...

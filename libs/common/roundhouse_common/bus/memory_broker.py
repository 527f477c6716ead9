"""A NATS server in memory, shared by the buses of one test or simulation.

Deterministic: it uses only asyncio primitives, the loop's clock and the clock it was given, so it runs on a
virtual-time loop and replays from a seed.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from roundhouse_common.bus.memory_stream import MemoryStream, subject_matches
from roundhouse_common.bus.wire import NoSuchStream, Packet
from roundhouse_common.contracts.generate.streams import StreamConfig
from roundhouse_common.contracts.generate.subjects import bucket_key
from roundhouse_common.runtime import Clock

__all__ = ["Interest", "MemoryBroker"]


class _Connection(Protocol):
    """What the broker tells its connections."""

    @property
    def is_connected(self) -> bool: ...

    def connection_lost(self) -> None: ...

    def reconnect_soon(self) -> None: ...


@dataclass(eq=False, slots=True)
class Interest:
    """One listener of one connection."""

    pattern: str
    queue: str
    wire: _Connection
    deliver: Callable[[Packet], None]
    turn: int = field(default=0)


class MemoryBroker:
    """Streams and interests. `stop` and `start` stand for a server that dies and comes back; `wipe` for a lost disk."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._streams: dict[str, MemoryStream] = {}
        self._interests: list[Interest] = []
        self._wires: list[_Connection] = []
        self._is_running = True
        self._inboxes = 0

    @property
    def is_running(self) -> bool:
        """Whether connections are accepted."""
        return self._is_running

    def stop(self) -> None:
        """Drop every connection; refuse new ones. Streams and consumers keep their state, as on a disk."""
        self._is_running = False
        for wire in list(self._wires):
            wire.connection_lost()

    def start(self) -> None:
        """Accept connections again; every bus comes back a moment later."""
        self._is_running = True
        for wire in list(self._wires):
            wire.reconnect_soon()

    def wipe(self) -> None:
        """Lose every stream, bucket and consumer. On a real server that takes a stop, a deletion and a start."""
        self._streams.clear()

    def delete_stream(self, name: str) -> None:
        """Delete one stream or bucket while connections stay up, as an administrator might."""
        self._streams.pop(name, None)

    def attach(self, wire: _Connection) -> None:
        """Register a connection that wants to come back whenever the broker runs."""
        self._wires.append(wire)

    def detach(self, wire: _Connection) -> None:
        """Forget a closed connection and its interests."""
        self._wires = [other for other in self._wires if other is not wire]
        self._interests = [interest for interest in self._interests if interest.wire is not wire]

    def add(self, interest: Interest) -> None:
        """Deliver matching packets to this listener."""
        self._interests.append(interest)

    def discard(self, interest: Interest) -> None:
        """Stop delivering to this listener."""
        self._interests = [other for other in self._interests if other is not interest]

    def new_inbox(self) -> str:
        """Return a reply subject that nobody else has."""
        self._inboxes += 1
        return f"_INBOX.memory.{self._inboxes}"

    def publish(self, packet: Packet) -> int:
        """Deliver to every listener, and to one of each queue group; return how many got it."""
        matching = [
            interest
            for interest in self._interests
            if interest.wire.is_connected and subject_matches(interest.pattern, packet.subject)
        ]
        chosen = [interest for interest in matching if not interest.queue]
        for queue in dict.fromkeys(interest.queue for interest in matching if interest.queue):
            members = [interest for interest in matching if interest.queue == queue]
            member = min(members, key=lambda interest: interest.turn)
            member.turn += 1
            chosen.append(member)
        for interest in chosen:
            interest.deliver(packet)
        return len(chosen)

    def provision(self, configs: Sequence[StreamConfig]) -> None:
        """Create or update streams."""
        for config in configs:
            if config.name in self._streams:
                self._streams[config.name].config = config
            else:
                self._streams[config.name] = MemoryStream(config, created_at=self._clock.now())

    def store(self, subject: str, payload: bytes, headers: Mapping[str, str]) -> int:
        """Store, then hint, as a server republishes. Raises NoSuchStream, RevisionConflict."""
        stream = next((stream for stream in self._streams.values() if stream.stores(subject)), None)
        if stream is None:
            raise NoSuchStream(f"no stream stores {subject}")
        stored, is_new = stream.store(subject, payload, headers, asyncio.get_running_loop().time())
        if is_new and stream.config.hint:
            hint = stream.config.hint.removesuffix(">") + bucket_key(subject)
            self.publish(Packet(subject=hint, payload=payload, headers=hint_headers(headers, stored.sequence)))
        return stored.sequence

    def stream(self, name: str) -> MemoryStream:
        """Return a stream. Raises NoSuchStream."""
        try:
            return self._streams[name]
        except KeyError:
            raise NoSuchStream(f"there is no stream {name}") from None


def hint_headers(headers: Mapping[str, str], sequence: int) -> dict[str, str]:
    """Return the headers of a republished message."""
    return {**headers, "Nats-Sequence": str(sequence)}

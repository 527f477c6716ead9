"""A stream and its durable consumers in memory, with the semantics of JetStream that Roundhouse relies on."""

import asyncio
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from roundhouse_common.bus.api import RevisionConflict
from roundhouse_common.bus.headers import EXPECTED_REVISION, MESSAGE_ID
from roundhouse_common.bus.wire import ConsumerSpec, Stored
from roundhouse_common.contracts.generate.streams import StreamConfig

__all__ = ["MemoryConsumer", "MemoryStream", "Outstanding", "subject_matches"]


@functools.lru_cache(maxsize=10_000)
def subject_matches(pattern: str, subject: str) -> bool:
    """Return whether a subject is covered by a pattern with `*` and a trailing `>`."""
    wanted, found = pattern.split("."), subject.split(".")
    for index, token in enumerate(wanted):
        if token == ">":
            return len(found) > index
        if index >= len(found) or token not in ("*", found[index]):
            return False
    return len(wanted) == len(found)


@dataclass(slots=True)
class Outstanding:
    """A delivered message that is not settled. It is due again at `due` on the loop's clock."""

    stored: Stored
    deliveries: int
    due: float


@dataclass(slots=True)
class MemoryConsumer:
    """The state a server keeps of one durable consumer."""

    spec: ConsumerSpec
    next_sequence: int = 1
    outstanding: dict[int, Outstanding] = field(default_factory=dict)

    def next_due(self) -> float | None:
        """Return when the first redelivery is due."""
        return min((one.due for one in self.outstanding.values()), default=None)


class MemoryStream:
    """Messages in order. `version` grows whenever something was stored or handed back."""

    def __init__(self, config: StreamConfig, *, created_at: float) -> None:
        self.config = config
        self.created_at = created_at
        self.version = 0
        self.consumers: dict[str, MemoryConsumer] = {}
        self._messages: dict[int, Stored] = {}
        self._newest: dict[str, int] = {}
        self._sequence = 0
        self._seen: dict[str, tuple[float, int]] = {}
        self._changed = asyncio.Event()

    def touch(self) -> None:
        """Wake whoever waits for something to deliver."""
        self.version += 1
        self._changed.set()

    async def wait_beyond(self, version: int) -> None:
        """Return when the version is not this one any more."""
        while self.version == version:
            self._changed.clear()
            await self._changed.wait()

    def stores(self, subject: str) -> bool:
        """Return whether the subject is one of this stream's."""
        return any(subject_matches(pattern, subject) for pattern in self.config.subjects)

    def store(self, subject: str, payload: bytes, headers: Mapping[str, str], now: float) -> tuple[Stored, bool]:
        """Keep a message; return it and whether it is new. Raises RevisionConflict."""
        message_id = headers.get(MESSAGE_ID)
        if message_id and (known := self._known(message_id, now)) is not None:
            return Stored(subject=subject, payload=payload, headers=headers, sequence=known), False
        expected = headers.get(EXPECTED_REVISION)
        current = self._newest.get(subject, 0)
        if expected is not None and int(expected) != current:
            raise RevisionConflict(f"{subject} is at revision {current}, not {expected}")
        self._sequence += 1
        if message_id:
            self._seen[message_id] = (now, self._sequence)
        stored = Stored(subject=subject, payload=payload, headers=dict(headers), sequence=self._sequence)
        if self.config.is_bucket and current:
            self._messages.pop(current, None)
        self._messages[self._sequence] = stored
        self._newest[subject] = self._sequence
        self.touch()
        return stored, True

    def _known(self, message_id: str, now: float) -> int | None:
        at, sequence = self._seen.get(message_id, (float("-inf"), 0))
        return sequence if now - at < self.config.duplicate_window_s else None

    def last(self, subject: str) -> Stored | None:
        return self._messages.get(self._newest.get(subject, 0))

    def read(self, pattern: str) -> list[Stored]:
        return [stored for stored in self._messages.values() if subject_matches(pattern, stored.subject)]

    def remove(self, sequence: int) -> None:
        self._messages.pop(sequence, None)

    def deliver(self, consumer: MemoryConsumer, batch: int, now: float) -> list[Outstanding]:
        """Hand out at most `batch` messages: what is due again first, then new ones."""
        taken = [one for one in consumer.outstanding.values() if one.due <= now][:batch]
        for stored in self._after(consumer):
            if len(taken) >= batch or len(consumer.outstanding) >= consumer.spec.max_ack_pending:
                break
            consumer.next_sequence = stored.sequence + 1
            one = Outstanding(stored=stored, deliveries=0, due=now)
            consumer.outstanding[stored.sequence] = one
            taken.append(one)
        for one in taken:
            one.deliveries += 1
            one.due = now + consumer.spec.ack_wait_s
        return taken

    def _after(self, consumer: MemoryConsumer) -> Iterator[Stored]:
        for sequence in range(consumer.next_sequence, self._sequence + 1):
            stored = self._messages.get(sequence)
            if stored is not None and subject_matches(consumer.spec.filter_subject, stored.subject):
                yield stored

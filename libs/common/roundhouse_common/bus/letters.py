"""Dead letters: what a durable consumer could not process, kept with the reason until somebody replays it."""

import hashlib

import structlog
from msgspec.structs import replace

from roundhouse_common.bus.api import MessageTooLarge
from roundhouse_common.bus.codec import Undecodable, decode, encode
from roundhouse_common.bus.headers import event_headers
from roundhouse_common.bus.provisioner import Provisioner
from roundhouse_common.bus.wire import STORE_S, Pulled, Stored, Wire
from roundhouse_common.contracts.base import Event, Service
from roundhouse_common.contracts.generate.subjects import stream_name, subject_of
from roundhouse_common.contracts.operations import DeadLetter
from roundhouse_common.contracts.registry import DEAD_LETTERS
from roundhouse_common.runtime import Clock

__all__ = ["LetterBox"]

_log = structlog.get_logger("roundhouse.bus")


class LetterBox:
    """The dead letters of one durable consumer."""

    def __init__(
        self, wire: Wire, service: Service, durable: str, *, source: str, clock: Clock, provisioner: Provisioner
    ) -> None:
        self._wire = wire
        self._contract: Event[DeadLetter] = DEAD_LETTERS[service]
        self._durable = durable
        self._source = source
        self._clock = clock
        self._provisioner = provisioner

    async def put(self, stream: str, pulled: Pulled, error: str) -> None:
        """Keep a copy of the message. Returns once it is stored; the same message is kept once."""
        letter = self._letter(stream, pulled, error)
        try:
            await self._store(letter)
        except MessageTooLarge:
            size = len(letter.payload)
            await self._store(replace(letter, payload=b"", error=f"{error} (its {size} bytes were too many to keep)"))

    async def _store(self, letter: DeadLetter) -> None:
        headers = event_headers(
            self._contract, schema="DeadLetter", source=self._source, event_id=letter.letter_id, at=self._clock.now()
        )
        subject = subject_of(self._contract, (self._durable,))
        await self._provisioner.with_stream(
            stream_name(self._contract), lambda: self._wire.store(subject, encode(letter), headers, STORE_S)
        )

    async def all(self) -> list[tuple[int, DeadLetter]]:
        """Return the letters with their sequence in the stream, oldest first."""
        stored = await self._wire.read(stream_name(self._contract), subject_of(self._contract, (self._durable,)))
        return [(one.sequence, letter) for one in stored if (letter := _decoded(one))]

    async def remove(self, sequence: int) -> None:
        """Forget a letter."""
        await self._wire.remove(stream_name(self._contract), sequence)

    def _letter(self, stream: str, pulled: Pulled, error: str) -> DeadLetter:
        stored = pulled.stored
        # The same for every delivery of one message, so that a crash between "kept" and "terminated" keeps it once.
        identity = f"{self._durable}\n{stream}\n{stored.sequence}\n".encode() + stored.payload
        return DeadLetter(
            letter_id=f"dlq_{hashlib.sha256(identity).hexdigest()[:32]}",
            at=self._clock.now(),
            consumer=self._durable,
            subject=stored.subject,
            stream=stream,
            stream_sequence=stored.sequence,
            deliveries=pulled.deliveries,
            error=error,
            headers=dict(stored.headers),
            payload=stored.payload,
        )


def _decoded(stored: Stored) -> DeadLetter | None:
    try:
        return decode(DeadLetter, stored.payload)
    except Undecodable as error:
        _log.warning("bus.letter_undecodable", sequence=stored.sequence, error=str(error))
        return None

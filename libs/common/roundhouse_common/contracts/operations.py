"""What every service answers to the operator: rebuild of the bus, dead letters."""

from roundhouse_common.contracts.base import Message

__all__ = ["DeadLetter", "RebuildBus", "Rebuilt"]


class RebuildBus(Message, frozen=True, kw_only=True):
    """Write every stream and bucket that you own again from your record (SQL, spool, state directory)."""


class Rebuilt(Message, frozen=True, kw_only=True):
    instance: str
    written: dict[str, int]
    """Bucket or stream -> entries written."""


class DeadLetter(Message, frozen=True, kw_only=True):
    """A message that a consumer could not process, with the reason. Stream `DLQ`."""

    letter_id: str
    at: float
    consumer: str
    """The durable that gave up, e.g. `metering-usage`."""
    subject: str
    stream: str
    stream_sequence: int
    deliveries: int
    error: str
    headers: dict[str, str]
    payload: bytes

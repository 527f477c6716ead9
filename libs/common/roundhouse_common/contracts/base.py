"""What every contract has: an owner, readers, a place on the bus, and a message type."""

import enum
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

__all__ = ["Bucket", "Contract", "Event", "Message", "OpenEnum", "Rpc", "Service", "Signal", "Stream"]


class Message(msgspec.Struct, frozen=True):
    """Base of every bus message; subclasses repeat `frozen=True, kw_only=True` (msgspec does not inherit the second).

    Within a major version fields are only added, and only with defaults.
    """


M = TypeVar("M", bound=Message)
Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)


class OpenEnum(enum.StrEnum):
    """An enum whose unknown values decode as UNKNOWN, so that an old reader survives a newer writer.

    Every subclass must have a member named UNKNOWN; a test checks it.
    """

    @classmethod
    def _missing_(cls, value: object) -> Any:  # Any: the member type of the subclass
        return cls.__members__.get("UNKNOWN")


class Service(enum.StrEnum):
    """Who may own or read a contract. The value is the token in subjects and the name of the NATS user."""

    CATALOG = "catalog"
    SCHEDULER = "scheduler"
    NODE_AGENT = "node-agent"
    ROUTER = "router"
    METERING = "metering"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A JetStream stream: facts that bill or audit. Subjects are those of the events that name it."""

    name: str
    max_age_s: int
    max_bytes: int
    duplicate_window_s: int = 120
    provisioners: tuple[Service, ...]
    """The services that create or update it when they connect; whoever comes first does."""
    has_outside_readers: bool = False
    """Whether programs that are none of our services read it, each by a durable consumer `reader-<name>` that the owner
    of its events makes: whoever may make consumers may have messages delivered to any subject."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What all kinds share. `subject` is the part before the identifier, `rh.<kind>.v1.<service>.<entity>.<verb>`."""

    subject: str
    owner: Service
    readers: tuple[Service, ...]
    doc: str
    id_tokens: int = 1
    """How many dot-separated identifier tokens follow the subject (a node id, or a node id and a replica id)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Contract, Generic[M]):
    """A fact, kept in a stream until every durable consumer has acknowledged it or it is too old."""

    message: type[M]
    stream: Stream
    durables: tuple[str, ...] = ()
    """Names of the durable consumers, `<service>-<what>`; each service may use only its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal(Contract, Generic[M]):
    """Published without a stream: liveness, live log lines. Losing one costs time, never truth."""

    message: type[M]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rpc(Contract, Generic[Q, R]):
    """A question answered now. `owner` answers, `readers` may ask."""

    request: type[Q]
    reply: type[R]
    is_broadcast: bool = False
    """Every instance of the owner answers, and the asker gathers; otherwise exactly one of them gets the question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket(Contract, Generic[M]):
    """Current state for many readers: a key-value bucket with history 1. `subject` is the bucket's name."""

    message: type[M]
    provisioners: tuple[Service, ...] = field(default=())
    """Who creates it on connect; empty means the owner."""

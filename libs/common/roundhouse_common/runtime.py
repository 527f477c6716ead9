"""Clock, randomness and ids: the only module that reads the real ones.

Everything else takes a `Clock`, an `Ids` or a `random.Random` as an argument, so that a simulation can run
the same code on virtual time and replay it from a seed.
"""

import random
import time
from collections.abc import Callable
from typing import NewType, Protocol, cast

import uuid_utils

__all__ = [
    "Clock",
    "DeploymentId",
    "Ids",
    "KeyId",
    "ModelId",
    "NodeId",
    "ReplicaId",
    "RequestId",
    "SystemClock",
    "SystemIds",
    "UnixTime",
    "VersionId",
    "system_random",
]

UnixTime = NewType("UnixTime", float)
"""Seconds since 1970-01-01T00:00:00Z."""

DeploymentId = NewType("DeploymentId", str)
VersionId = NewType("VersionId", str)
ReplicaId = NewType("ReplicaId", str)
NodeId = NewType("NodeId", str)
ModelId = NewType("ModelId", str)
KeyId = NewType("KeyId", str)
RequestId = NewType("RequestId", str)


class Clock(Protocol):
    """Two clocks: `now` for people and records, `monotonic` for measuring how long something took."""

    def now(self) -> UnixTime:
        """Return the wall-clock time in seconds since the epoch. It may jump."""

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back; only differences mean anything."""


class Ids(Protocol):
    """Makes identifiers that sort by the time they were made."""

    def new(self, prefix: str) -> str:
        """Return `prefix_` and a UUIDv7 as 32 hexadecimal digits; safe in subjects, URLs and file names."""


class SystemClock:
    """The machine's clocks. They are the functions themselves: a request looks at them a dozen times."""

    now: Callable[[], UnixTime] = staticmethod(cast("Callable[[], UnixTime]", time.time))
    monotonic: Callable[[], float] = staticmethod(time.monotonic)


class SystemIds:
    """UUIDv7 (RFC 9562) from the machine's clock and entropy."""

    def new(self, prefix: str) -> str:
        return f"{prefix}_{uuid_utils.uuid7().hex}"


def system_random() -> random.Random:
    """Return a generator seeded from the operating system."""
    return random.SystemRandom()

"""What happened, line by line in virtual time: the same seed gives the same lines."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from structlog.typing import EventDict, WrappedLogger

from tests.simulation.loop import VirtualTimeLoop

__all__ = ["Trace", "traced"]


class Trace:
    """Collects the log events of every part."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop
        self.lines: list[str] = []

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        fields = " ".join(f"{key}={value}" for key, value in sorted(event.items()) if key != "event")
        self.lines.append(f"{self._loop.time():10.3f} {method:7} {event['event']} {fields}")
        raise structlog.DropEvent

    def say(self, line: str) -> None:
        """Add what the scenario itself does."""
        self.lines.append(f"{self._loop.time():10.3f} ******* {line}")

    @property
    def digest(self) -> str:
        """A hash of everything that happened."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()[:16]


@contextmanager
def traced(loop: VirtualTimeLoop) -> Iterator[Trace]:
    """Send every log event of this block into a trace, and nowhere else."""
    before = structlog.get_config()
    trace = Trace(loop)
    structlog.configure(processors=[trace], cache_logger_on_first_use=False)
    try:
        yield trace
    finally:
        structlog.configure(**before)

"""Progress of long work: a spinner for a person, a plain line a step for a log."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status
from rich.text import Text

from roundhouse_common.runtime import Clock, SystemClock

__all__ = ["Step", "Steps"]


class Step:
    """What runs now."""

    def __init__(self, title: str, status: Status | None) -> None:
        self._title = title
        self._status = status
        self.result = ""
        """Shown when the step is done, e.g. a count."""

    def note(self, detail: str) -> None:
        """Say what it waits for at the moment; only a terminal shows it."""
        if self._status is not None:
            # One line, cut at the edge: a spinner over several lines flickers.
            self._status.update(Text(f"{self._title} ... {detail}", no_wrap=True, overflow="ellipsis"))


class Steps:
    """Shows steps one after the other on stderr, so that stdout holds results only."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._console = Console(stderr=True, highlight=False)
        self._is_live = sys.stderr.isatty()

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Show a step while the block runs, and how long it took. A block that raises leaves no line behind."""
        started = self._clock.monotonic()
        if self._is_live:
            with self._console.status(Text(f"{title} ...")) as status:
                step = Step(title, status)
                yield step
        else:
            step = Step(title, None)
            yield step
        took_s = self._clock.monotonic() - started
        result = f": {step.result}" if step.result else ""
        self._console.print(Text(f"  {title}{result} ({took_s:.1f} s)"), soft_wrap=True)

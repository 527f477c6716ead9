"""Running an installation's steps under a guard that does not outlive the agent."""

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from roundhouse_node_agent.environments.plan import Step
from roundhouse_node_agent.environments.progress import advice_for, decisive_lines, step_of

__all__ = ["Installer", "NotInstalled"]

_GUARD: Final = Path(__file__).with_name("guard.py")
_ENDS_WITHIN_S: Final = 10.0
_KEPT_LINES: Final = 400
_LONGEST_ANSWER: Final = 256 * 1024


class NotInstalled(Exception):
    """An installation failed: why and what to do, and the decisive lines of its log."""

    def __init__(self, detail: str, lines: tuple[str, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.lines = lines


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the guard's."""

    step: str = ""
    line: str | None = None
    done: bool = False
    failed: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installer:
    """Each installation has a guard of its own."""

    silence_s: float

    async def run(self, steps: Sequence[Step], log_file: Path, on_step: Callable[[str], None]) -> tuple[str, ...]:
        """Return what the last step said, when every step succeeded. Raises NotInstalled.

        `on_step` hears the name of each step when it begins, and what uv says it does within one. However this ends,
        nothing of it runs any more afterwards.
        """
        guard = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            str(_GUARD),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", os.defpath)},
            cwd="/",
            start_new_session=True,
            limit=_LONGEST_ANSWER,
        )
        try:
            assert guard.stdin is not None
            order = {"steps": steps, "log_file": str(log_file), "silence_s": self.silence_s}
            guard.stdin.write(msgspec.json.encode(order) + b"\n")
            with contextlib.suppress(ConnectionError):
                await guard.stdin.drain()
            return await _follow(guard, on_step)
        finally:
            await _end(guard)


async def _follow(guard: asyncio.subprocess.Process, on_step: Callable[[str], None]) -> tuple[str, ...]:
    assert guard.stdout is not None
    lines: deque[str] = deque(maxlen=_KEPT_LINES)
    while raw := await guard.stdout.readline():
        told = msgspec.json.decode(raw, type=_Told)
        if told.done:
            return tuple(lines)
        if told.failed:
            raise _failure(told, tuple(lines))
        if told.step:
            lines.clear()
            on_step(told.step)
        if told.line is not None:
            lines.append(told.line)
            step = step_of(told.line)
            if step is not None:
                on_step(step)
    raise NotInstalled("its guard was ended from outside; try it again", tuple(lines)[-20:])


def _failure(told: _Told, said: tuple[str, ...]) -> NotInstalled:
    lines = decisive_lines(said)
    advice = advice_for((*lines, told.why))
    first = next((line.strip() for line in lines if not line.startswith("Traceback")), "")
    last = lines[-1].strip() if lines and lines[0].startswith("Traceback") else first
    words = f"{told.failed} failed: {told.why}" + (f"; it said: {last}" if last else "")
    return NotInstalled(f"{words}; {advice}" if advice else words, lines)


async def _end(guard: asyncio.subprocess.Process) -> None:
    """Its standard input ends, and with it whatever it started. Also done when the caller is cancelled again."""
    assert guard.stdin is not None
    guard.stdin.close()
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ENDS_WITHIN_S):
                await guard.wait()
    finally:
        if guard.returncode is None:  # what it runs dies with it: the kernel sees to that
            with contextlib.suppress(ProcessLookupError):
                os.killpg(guard.pid, signal.SIGKILL)
            await guard.wait()

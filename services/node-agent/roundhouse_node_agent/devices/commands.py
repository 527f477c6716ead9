"""Runs vendors' commands: found on PATH or where their drivers put them, and never waited for or read without end."""

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from roundhouse_common.runtime import Clock

__all__ = ["Answer", "Commands"]

_LOOK_S = 0.05
_ERROR_LENGTH = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command said. A command that fails may have said something true before."""

    text: str = ""
    error: str = ""
    """Why it is not to be trusted whole, in words; empty when it ended well."""


class Commands:
    """`search_path` replaces PATH in tests."""

    def __init__(
        self, clock: Clock, *, timeout_s: float = 10.0, max_bytes: int = 4 << 20, search_path: str | None = None
    ) -> None:
        self._clock = clock
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._search_path = search_path

    def find(self, names: Sequence[str], directories: Sequence[str] = ()) -> str | None:
        """Return the first command there is, PATH before the vendor's directories."""
        path = os.environ.get("PATH", os.defpath) if self._search_path is None else self._search_path
        places = os.pathsep.join([path, *directories])
        return next((found for name in names if (found := shutil.which(name, path=places)) is not None), None)

    def run(self, command: Sequence[str], *, libraries: Sequence[str] = ()) -> Answer:
        """Run it in the C locale with `libraries` on its search path. Never raises; leaves none of its group behind."""
        name = Path(command[0]).name
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
                env=_environment(libraries),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return Answer(error=f"{name} cannot be run: {error}")
        said = _Said(process, self._max_bytes)
        try:
            with said:
                fault = self._listen(name, said)
            has_ended = said.has_ended()
        finally:
            _end_group(process)
        if not fault and has_ended and process.returncode != 0:
            fault = f"{name} ended with {_ending(process.returncode)}: {said.last_words}"
        return Answer(text="" if said.is_too_much else said.text, error=fault)

    def _listen(self, name: str, said: "_Said") -> str:
        """Return what went wrong."""
        deadline = self._clock.monotonic() + self._timeout_s
        while said.take():
            if said.is_too_much:
                return f"{name} said more than {self._max_bytes} bytes"
            if self._clock.monotonic() >= deadline:
                return f"{name} gave no answer in {self._timeout_s:g} s"
        return ""


class _Said:
    """Both streams of a process, until they end, or it has ended and no more is there."""

    def __init__(self, process: subprocess.Popen[bytes], max_bytes: int) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._max_bytes = max_bytes
        self._output, self._errors = bytearray(), bytearray()
        self._selector = selectors.DefaultSelector()
        self._streams: tuple[IO[bytes], ...] = (process.stdout, process.stderr)

    def __enter__(self) -> None:
        for stream, into in zip(self._streams, (self._output, self._errors), strict=True):
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, selectors.EVENT_READ, into)

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        for stream in self._streams:
            stream.close()

    def has_ended(self) -> bool:
        """Ask without reaping it: as long as it is not, no other process group can get its number."""
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._process.pid, options) is not None

    def take(self) -> bool:
        """Read what is there; return False when there will be no more. A child that keeps the streams open after its
        parent has ended is not waited for."""
        had_ended = self.has_ended()
        is_listening = bool(self._selector.get_map())
        ready = self._selector.select(0 if had_ended else _LOOK_S)
        for key, _ in ready:
            stream: IO[bytes] = key.fileobj  # type: ignore[assignment]
            part = os.read(stream.fileno(), 65_536)
            if part:
                key.data.extend(part)
            else:
                self._selector.unregister(stream)
        return bool(ready) or (is_listening and not had_ended)

    @property
    def is_too_much(self) -> bool:
        return len(self._output) > self._max_bytes or len(self._errors) > self._max_bytes

    @property
    def text(self) -> str:
        return self._output.decode("utf-8", "replace")

    @property
    def last_words(self) -> str:
        """Return the last line of its errors, or else of its output."""
        lines = [line.strip() for line in f"{self.text}\n{self._errors.decode('utf-8', 'replace')}".split("\n")]
        return next((line[:_ERROR_LENGTH] for line in reversed(lines) if line), "it said nothing")


def _environment(libraries: Sequence[str]) -> dict[str, str]:
    environment = {**os.environ, "LC_ALL": "C", "LANG": "C", "LANGUAGE": "C", "TERM": "dumb"}
    if libraries:
        known = environment.get("LD_LIBRARY_PATH")
        environment["LD_LIBRARY_PATH"] = os.pathsep.join([*([known] if known else []), *libraries])
    return environment


def _ending(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"code {code}"


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of its group, also when it has ended itself."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):  # in an uninterruptible call of its driver: left behind
        process.wait(1.0)

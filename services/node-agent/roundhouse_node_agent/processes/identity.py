"""Whether a process on this host is the one that was written down: pids are reused, so four things must agree."""

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

__all__ = ["COOKIE_VARIABLE", "ProcessTable", "Recorded"]

COOKIE_VARIABLE = "ROUNDHOUSE_RUN_COOKIE"
"""In the environment of the shim, of its engine and of whatever that starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A process as it was written down."""

    pid: int
    start_ticks: int
    boot_id: str
    cookie: str


class ProcessTable:
    """The processes of this host, read from `/proc`. `root` is another place in tests."""

    def __init__(self, root: Path = Path("/proc")) -> None:
        self._root = root

    def is_running(self, recorded: Recorded) -> bool:
        """Whether exactly this process still runs: same boot, same start, same cookie; a zombie does not run."""
        return (
            recorded.pid > 0
            and self.boot_id() == recorded.boot_id
            and self.start_ticks(recorded.pid) == recorded.start_ticks
            and self.cookie_of(recorded.pid) == recorded.cookie
        )

    def boot_id(self) -> str:
        """Return the id of this boot of the machine."""
        return (self._root / "sys/kernel/random/boot_id").read_text().strip()

    def start_ticks(self, pid: int) -> int | None:
        """Return when the process started, in ticks since boot; None when there is none or it is a zombie."""
        fields = self._stat(pid)
        return int(fields[19]) if fields is not None and fields[0] not in ("Z", "X") else None

    def cpu_ticks(self, pid: int) -> int | None:
        """Return how much processor time the process has used; None when there is none."""
        fields = self._stat(pid)
        return int(fields[11]) + int(fields[12]) if fields is not None else None

    def cookie_of(self, pid: int) -> str | None:
        """Return the process's cookie; None without one or when it may not be read."""
        prefix = COOKIE_VARIABLE.encode() + b"="
        with contextlib.suppress(OSError):
            for entry in (self._root / str(pid) / "environ").read_bytes().split(b"\0"):
                if entry.startswith(prefix):
                    return entry[len(prefix) :].decode("ascii", "replace")
        return None

    def cpu_ticks_of(self, cookie: str) -> int | None:
        """Return the processor time of everything that carries the cookie; None when nothing does."""
        ticks = [used for pid in self.with_cookie(cookie) if (used := self.cpu_ticks(pid)) is not None]
        return sum(ticks) if ticks else None

    def with_cookie(self, cookie: str) -> list[int]:
        """Return every process that carries the cookie."""
        names = [entry.name for entry in self._root.iterdir() if entry.name.isdigit()]
        return [int(name) for name in names if self.cookie_of(int(name)) == cookie]

    def kill_leftovers(self, cookie: str) -> int:
        """Kill everything that carries the cookie; return how many there were."""
        leftovers = self.with_cookie(cookie)
        for pid in leftovers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(leftovers)

    def _stat(self, pid: int) -> list[str] | None:
        """Return the fields of `stat` after the command's name (which may contain anything)."""
        try:
            text = (self._root / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        return text.rpartition(")")[2].split()

"""Processes by identity: a pid alone is reused by the kernel, a pid with its start time is not."""

import asyncio
import ctypes
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

__all__ = ["COOKIE_VARIABLE", "die_with_parent", "follow_parent", "has_cookie", "start_ticks", "wait_for_exit"]

COOKIE_VARIABLE = "ROUNDHOUSE_COOKIE"

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def start_ticks(pid: int) -> int | None:
    """Return when the process started (clock ticks since boot), or None when there is none or it is a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The second field is the command in parentheses and may itself hold spaces and parentheses.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def has_cookie(pid: int, cookie: str) -> bool:
    """Tell whether the process was started for the data directory that owns the cookie."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return f"{COOKIE_VARIABLE}={cookie}".encode() in environment.split(b"\0")


def die_with_parent(signal_number: signal.Signals) -> Callable[[], None]:
    """Return what a child runs before exec so that it gets the signal when this process dies, also by kill -9."""
    parent = os.getpid()
    return lambda: follow_parent(parent, signal_number)


def follow_parent(parent: int, signal_number: signal.Signals) -> None:
    """Let the kernel send this process the signal when its parent dies; exit when it is dead already."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


async def wait_for_exit(process: "subprocess.Popen[bytes]") -> int:
    """Return the exit code as soon as the process ended. Safe to cancel and to repeat."""
    if (code := process.poll()) is not None:
        return code
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(process.pid)
        loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
    return process.wait()

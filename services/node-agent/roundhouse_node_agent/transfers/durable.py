"""Writing so that a crash or a power loss leaves the old or the new, never something between."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from roundhouse_node_agent.transfers.errors import StoreBusy, TransferFailed

__all__ = ["disk_errors", "held", "sync_directory", "try_lock", "unlock", "write_durably"]

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def sync_directory(path: Path) -> None:
    """Make the names in a directory survive a power loss."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file whole. One writer at a time: whoever calls holds a lock."""
    new = path.with_name(f"{path.name}.new")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        os.fsync(fd)
    finally:
        os.close(fd)
    os.replace(new, path)
    sync_directory(path.parent)


def try_lock(path: Path, *, is_waiting: bool = False) -> int | None:
    """Return an open file that holds the lock until it is closed; None while another one holds it.

    Closing is what happens when a process dies, so no lock outlives its holder.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if is_waiting else fcntl.LOCK_NB))
            if _is_same(fd, path):
                return fd
        except BlockingIOError:
            os.close(fd)
            return None
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # its file was removed by the holder before us: take the one that is there now


def unlock(fd: int, path: Path) -> None:
    """Let go, and leave no file behind. Only for the holder: others look whether theirs is still the one there."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    os.close(fd)


@contextlib.contextmanager
def held(path: Path, *, busy: str = "") -> Iterator[None]:
    """Hold a lock. With `busy`, StoreBusy says so at once when another process holds it; without, wait for it."""
    fd = try_lock(path, is_waiting=not busy)
    if fd is None:
        raise StoreBusy(busy)
    try:
        yield
    finally:
        unlock(fd, path)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into TransferFailed. Whatever was written before stays."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise TransferFailed(
                f"the disk became full at {path.parent}; what was fetched is kept: make room there, "
                "then `roundhouse files retry`"
            ) from error
        raise TransferFailed(f"the disk refused to write to {path.parent}: {error.strerror or error}") from error


def _is_same(fd: int, path: Path) -> bool:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    ours = os.fstat(fd)
    return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)

"""Whether anybody is connected to an engine: what tells the end of a drain where an engine has no metrics.

A request in flight holds a connection, and routers close those they do not use after some seconds.
"""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["is_connected"]

_TABLES: Final = ("tcp", "tcp6")
_ESTABLISHED: Final = "01"
_HALF_OPEN: Final = "03"
_LISTENING: Final = "0A"


@dataclass(frozen=True, slots=True)
class _Socket:
    port: int
    """Of its own end."""
    state: str
    inode: str


def is_connected(pids: Iterable[int], port: int, *, root: Path = Path("/proc")) -> bool | None:
    """Return whether the port that one of these processes listens on has connections.

    None where none of them is seen to listen on it: then connections may be where they cannot be seen either.
    """
    for pid in pids:
        sockets = [one for one in _sockets(root / str(pid) / "net") if one.port == port]
        listening = {f"socket:[{one.inode}]" for one in sockets if one.state == _LISTENING}
        if listening and not listening.isdisjoint(_open_files(root / str(pid) / "fd")):
            return any(one.state in (_ESTABLISHED, _HALF_OPEN) for one in sockets)
    return None


def _sockets(directory: Path) -> list[_Socket]:
    """Return the TCP sockets of a process's network, its own and those of others."""
    found = []
    for name in _TABLES:
        with contextlib.suppress(OSError):
            for line in (directory / name).read_text(encoding="ascii", errors="replace").splitlines()[1:]:
                fields = line.split()
                if len(fields) > 9:
                    found.append(_Socket(int(fields[1].rpartition(":")[2], 16), fields[3], fields[9]))
    return found


def _open_files(directory: Path) -> set[str]:
    """Return what its descriptors point at; nothing when that may not be read."""
    found = set()
    with contextlib.suppress(OSError):
        for link in directory.iterdir():
            with contextlib.suppress(OSError):
                found.add(str(link.readlink()))
    return found

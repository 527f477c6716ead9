"""Whose port it is: from /proc, as far as this user may look."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["is_free", "is_own", "owner"]

_LISTEN = "0A"


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Tell whether a server could listen on host:port now; connections that are only closing do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError:
            return False
    return True


def is_own(host: str) -> bool:
    """Tell whether it is an address of this host."""
    with socket.socket() as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


def owner(port: int) -> tuple[int, str] | None:
    """Return pid and command of a process that listens on the port, or None when that cannot be seen."""
    inodes = set(_listening_inodes(port))
    for process in Path("/proc").iterdir() if inodes else ():
        if process.name.isdigit() and inodes & set(_socket_inodes(process)):
            with suppress(OSError):
                return int(process.name), (process / "comm").read_text().strip()
    return None


def _listening_inodes(port: int) -> Iterator[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTEN and int(fields[1].rsplit(":", 1)[1], 16) == port:
                    yield fields[9]


def _socket_inodes(process: Path) -> Iterator[str]:
    with suppress(OSError):  # not ours to read, or just ended
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                target = str(descriptor.readlink())
                if target.startswith("socket:["):
                    yield target[len("socket:[") : -1]

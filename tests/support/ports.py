"""Ports for servers that tests start: taken from where the kernel takes none for connections that programs open.

A port that the kernel chose may be given to somebody's connection between the look and the start of the server. On a
machine where two workers open thousands of connections that happens.
"""

import random
import socket
from typing import Final

__all__ = ["engine_ports", "free_port", "free_ports"]

_FIRST: Final = 10_000
_LAST: Final = 19_999
_ENGINES: Final = 900
_ANYWHERE: Final = random.SystemRandom()


def free_port() -> int:
    """Return a loopback port that nobody uses now."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """Return the first of so many neighbouring loopback ports that nobody uses now; anywhere, so that two processes
    that look at once find others."""
    while True:
        first = _ANYWHERE.randint(_FIRST, _LAST - count)
        if all(_is_free(first + offset) for offset in range(count)):
            return first


def engine_ports() -> tuple[int, int]:
    """Return the first and the last of those that an agent may choose from: it looks itself whether one is free."""
    first = _ANYWHERE.randint(_FIRST, _LAST - _ENGINES)
    return first, first + _ENGINES - 1


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True

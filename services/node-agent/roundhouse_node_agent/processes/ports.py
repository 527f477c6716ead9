"""Ports for engines: from a configured range, tested by binding."""

import contextlib
import random
import socket
from collections.abc import Container

from roundhouse_node_agent.domain.errors import LaunchFailed

__all__ = ["pick_port"]


def pick_port(host: str, first: int, last: int, taken: Container[int], rng: random.Random) -> int:
    """Return a port nobody listens on. Raises LaunchFailed when there is none.

    The search begins anywhere in the range: the port of an engine that just ended is not given to another at once,
    and two agents on one machine rarely try the same.
    """
    count = last - first + 1
    begin = rng.randrange(count)
    for step in range(count):
        port = first + (begin + step) % count
        if port not in taken and _is_free(host, port):
            return port
    raise LaunchFailed(f"no port between {first} and {last} is free on {host}")


def _is_free(host: str, port: int) -> bool:
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True

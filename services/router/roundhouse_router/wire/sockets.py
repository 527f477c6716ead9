"""Sending on a socket without the event loop. Compiled it is `sockets.pyx`, which does the same."""

import os

__all__ = ["send_now"]


def send_now(fd: int, data: bytes) -> int:
    """Send what a socket that does not block takes at once; return how many bytes, -1 for an error of any kind."""
    try:
        return os.write(fd, data)
    except OSError:
        return -1

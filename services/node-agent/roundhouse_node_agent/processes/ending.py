"""Noticing at once that a process ended, whether or not it is our child."""

import asyncio
import os

__all__ = ["wait_for_end"]


async def wait_for_end(pid: int) -> None:
    """Return when the process has ended. The caller has made sure that the pid is the right one."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    loop.add_reader(fd, lambda: None if ended.done() else ended.set_result(None))
    try:
        await ended
    finally:
        loop.remove_reader(fd)
        os.close(fd)

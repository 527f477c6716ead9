"""Waiting for a reason to look, or for the next regular look."""

import asyncio

__all__ = ["wait_until_due"]


async def wait_until_due(due: asyncio.Event, timeout_s: float) -> bool:
    """Return when `due` is set (and clear it: True) or after `timeout_s` (False)."""
    try:
        async with asyncio.timeout(timeout_s):
            await due.wait()
    except TimeoutError:
        return False
    due.clear()
    return True

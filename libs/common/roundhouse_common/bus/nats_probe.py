"""Whether anybody listens where the bus should be: a question that costs a third of an attempt to connect."""

import asyncio
from typing import Final
from urllib.parse import urlsplit

__all__ = ["listens"]

_PORT: Final = 4222
_WAIT_S: Final = 2.0


async def listens(urls: str) -> bool:
    """Return whether a server of these URLs, separated by commas, takes connections. True for a URL that cannot be
    read: who connects says what is wrong with it."""
    for url in urls.split(","):
        try:
            parts = urlsplit(url if "://" in url else f"nats://{url}")
            host, port = parts.hostname, parts.port or _PORT
        except ValueError:
            return True
        if not host or await _takes(host, port):
            return True
    return False


async def _takes(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(_WAIT_S):
            transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, host, port)
    except OSError:  # TimeoutError too
        return False
    transport.abort()
    return True

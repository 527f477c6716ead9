"""Imports structlog and nats-py without the optional libraries that they load when they find them.

rich is there for the command line and aiohttp for the router; in a service that uses neither, structlog's coloured
tracebacks and nats-py's websockets would cost 12 MB for nothing (measured: 103 -> 90 MB for the catalog). The packages
that use these two libraries import this module first.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["absent"]


@contextmanager
def absent(name: str) -> Iterator[None]:
    """Let imports in the block find that the package is not installed, unless somebody has loaded it already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # documented: None makes its import fail
    try:
        yield
    finally:
        del sys.modules[name]


with absent("rich"):
    import structlog  # noqa: F401 - for the effect
with absent("aiohttp"):
    import nats.aio.client  # noqa: F401 - for the effect

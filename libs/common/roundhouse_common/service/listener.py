"""The HTTP listener: uvicorn, driven by the service instead of by signals."""

import asyncio
import errno
import socket
from typing import Final, Protocol

import uvicorn

from roundhouse_common.service.ops import ASGIApp

__all__ = ["HttpListener", "Listener", "PortInUse", "bind"]

_BACKLOG: Final = 1024
_KEEP_ALIVE_S: Final = 75
_SOCKET_MESSAGE_BYTES: Final = 4 * 2**20
_CUT_OFF_TIMEOUT_S: Final = 1.0
"""How long requests that were cancelled when the drain timeout passed may take to clean up."""


class HttpListener(Protocol):
    """Serves HTTP on a bound socket from `start` to `stop`."""

    async def start(self) -> None:
        """Listen. Raises PortInUse when somebody else began to listen since the socket was bound."""

    async def stop(self) -> None:
        """Stop accepting and let requests in flight finish within the drain timeout. Does nothing when repeated."""


class PortInUse(Exception):
    """Somebody else listens on the port."""


def bind(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
    """Reserve the address without listening yet. Raises PortInUse, or OSError for an address that is not ours.

    A shared one may be bound by further processes of the same user: the kernel spreads connections over them.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reserved = socket.socket(family, socket.SOCK_STREAM)
    try:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind((host, port))
    except OSError as error:
        reserved.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse from error
        raise
    return reserved


class Listener(uvicorn.Server):
    """Serves an app on a bound socket from `start` to `stop`. Uvicorn's own signal handlers are never installed."""

    def __init__(
        self, app: ASGIApp, reserved: socket.socket, *, drain_timeout_s: float, has_sockets: bool = False
    ) -> None:
        """`has_sockets`: it serves WebSockets too; those still open when the drain timeout passes are cut off."""
        config = uvicorn.Config(
            app,
            loop="none",
            http="httptools",
            ws="websockets-sansio" if has_sockets else "none",
            ws_max_size=_SOCKET_MESSAGE_BYTES,
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            backlog=_BACKLOG,
        )
        # Uvicorn gives it to asyncio.wait_for, which takes fractions.
        config.timeout_graceful_shutdown = drain_timeout_s  # type: ignore[assignment]
        config.load()
        super().__init__(config)
        self._reserved = reserved
        self._ticking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen. Raises PortInUse when somebody else began to listen since `bind`."""
        self.lifespan = self.config.lifespan_class(self.config)
        try:
            await self.startup(sockets=[self._reserved])
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse from error
            raise
        self._ticking = asyncio.create_task(self.main_loop(), name="http-listener")

    async def stop(self) -> None:
        """Stop accepting, close idle connections, and let requests in flight finish within the drain timeout.

        Does nothing before `start` and when repeated.
        """
        ticking, self._ticking = self._ticking, None
        if ticking is None:
            return
        self.should_exit = True
        await ticking
        await self.shutdown(sockets=[self._reserved])
        if cut_off := list(self.server_state.tasks):
            await asyncio.wait(cut_off, timeout=_CUT_OFF_TIMEOUT_S)

"""The file server for other nodes: what is whole here, they copy from here instead of from the internet.

    GET /models/KEY     the manifest of a model that is whole
    GET /blobs/SHA256   a whole file, with ranges

It runs in a thread with an event loop of its own: `sendfile` waits for the disk, and the agent's loops must not.
(Measured: docs/how-to/manage-model-files.md.) Files that were adopted are not offered: nobody has checked them.
"""

import asyncio
import contextlib
import hmac
import ipaddress
import re
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import structlog
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.typedefs import Handler, Middleware

from roundhouse_node_agent.transfers.manifest import Manifest
from roundhouse_node_agent.transfers.store import FileStore

__all__ = ["FileServer"]

_log = structlog.get_logger(__name__)
_KEY = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_STARTS_WITHIN_S = 10.0
_ENDS_WITHIN_S = 5.0


class FileServer:
    """An async context manager. A port that is taken costs the offer, not the agent: `url` stays empty."""

    def __init__(
        self, store: FileStore, *, host: str, port: int, address: str, most_connections: int = 64, token: str = ""
    ) -> None:
        """Listen on `host` and `port` (0: any free one); other nodes reach it at `address`."""
        self.url = ""
        self.token = token or secrets.token_hex(32)
        self._store = store
        self._listen = (host, port)
        self._address = address
        self._most = most_connections
        self._sending = _Sending()
        self._loop = asyncio.SelectorEventLoop()  # uvloop has no sendfile
        self._stop = asyncio.Event()
        self._started = threading.Event()
        self._error = ""
        self._thread = threading.Thread(target=self._run, name="file-server", daemon=True)

    async def __aenter__(self) -> Self:
        self._thread.start()
        is_started = await asyncio.to_thread(self._started.wait, _STARTS_WITHIN_S)
        if self._error or not is_started:
            host, port = self._listen
            _log.warning("files_not_offered", host=host, port=port, why=self._error or "it did not start in time")
        else:
            _log.info("files_offered", url=self.url)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(RuntimeError):  # a server that could not listen closes its loop by itself
            self._loop.call_soon_threadsafe(self._stop.set)
        await asyncio.to_thread(self._thread.join, _ENDS_WITHIN_S)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        app = web.Application(middlewares=[_admitting(self.token)])
        app.add_routes([web.get("/models/{key}", self._model), web.get("/blobs/{sha256}", self._blob)])
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
        await runner.setup()
        try:
            host, port = self._listen
            await web.TCPSite(runner, host, port).start()
            self.url = f"http://{_in_url(self._address)}:{runner.addresses[0][1]}"
            self._started.set()
            await self._stop.wait()
        except OSError as error:
            self._error = error.strerror or str(error)
        finally:
            self._started.set()
            await runner.cleanup()

    async def _model(self, request: web.Request) -> web.StreamResponse:
        key = request.match_info["key"]
        found = await asyncio.to_thread(self._store.find, key) if _KEY.fullmatch(key) else None
        if found is None or found.is_adopted:
            return web.Response(status=404, text="this node does not have that model whole\n")
        told = Manifest(source=found.manifest.source, revision=found.manifest.revision, files=found.manifest.files)
        return web.Response(body=msgspec.json.encode(told), content_type="application/json")

    async def _blob(self, request: web.Request) -> web.StreamResponse:
        sha256 = request.match_info["sha256"]
        path = await asyncio.to_thread(self._store.blob, sha256) if _SHA256.fullmatch(sha256) else None
        if path is None:
            return web.Response(status=404, text="this node does not have that file whole\n")
        if self._sending.count >= self._most:
            busy = f"{self._most} answers are under way; ask again or ask another node\n"
            return web.Response(status=503, headers={"Retry-After": "2"}, text=busy)
        return _BlobResponse(path, self._sending)


@dataclass(slots=True)
class _Sending:
    """How many files are being sent at the moment."""

    count: int = 0


class _BlobResponse(web.FileResponse):
    """A file, counted as long as it is being sent, which is after its handler has returned."""

    def __init__(self, path: Path, sending: _Sending) -> None:
        super().__init__(path, headers={"Content-Type": "application/octet-stream"})
        self._sending = sending

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        self._sending.count += 1
        try:
            return await super().prepare(request)
        finally:
            self._sending.count -= 1


def _admitting(token: str) -> Middleware:
    @web.middleware
    async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(errors="surrogateescape"), token.encode()):
            return web.Response(status=401, text="this node's files are for the nodes that its scheduler named\n")
        return await handler(request)

    return admit


def _in_url(address: str) -> str:
    try:
        return f"[{address}]" if ipaddress.ip_address(address).version == 6 else address
    except ValueError:
        return address

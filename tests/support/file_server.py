"""A file server that fails on demand and remembers every byte it served. Also as a process of its own:

    python tests/support/file_server.py PORT LOG SIZE SEED

serves one file at /file, as fast as it can, and appends `start end` to LOG for every answer that it begins.
"""

import asyncio
import hashlib
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

__all__ = ["Content", "Fault", "FileServer", "Served"]

_BLOCK = 1024 * 1024
_CHUNK = 256 * 1024


class Content:
    """Bytes that are computed, not stored: no two blocks of them are the same."""

    def __init__(self, size: int, seed: int = 1) -> None:
        self.size = size
        base = random.Random(seed).randbytes(_BLOCK)
        self._doubled = base + base

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from `start` to before `end`."""
        pieces = []
        for block in range(start // _BLOCK, -(-end // _BLOCK)):
            turn = block * 7919 % _BLOCK
            whole = b"%08x" % block + self._doubled[turn : turn + _BLOCK - 8]
            pieces.append(whole[max(0, start - block * _BLOCK) : min(_BLOCK, end - block * _BLOCK)])
        return b"".join(pieces)

    @property
    def sha256(self) -> str:
        digest = hashlib.sha256()
        for start in range(0, self.size, _BLOCK):
            digest.update(self.read(start, min(start + _BLOCK, self.size)))
        return digest.hexdigest()

    @property
    def git_sha1(self) -> str:
        return hashlib.sha1(b"blob %d\0" % self.size + self.read(0, self.size)).hexdigest()


@dataclass(kw_only=True)
class Fault:
    """How one answer goes wrong."""

    status: int = 0
    """Answer this, without a body."""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int = -1
    """Close the connection after so many bytes of the body."""
    stall_after: int = -1
    """Send nothing any more after so many bytes."""


@dataclass(frozen=True)
class Served:
    """One answer: which bytes of which file went out, and what had been asked."""

    path: str
    start: int
    end: int
    status: int
    headers: Mapping[str, str]


@dataclass(kw_only=True)
class _File:
    content: Content
    etag: str
    fault: Callable[[int], Fault | None]
    requests: int = 0


class FileServer:
    """Behaviour is per server; faults are per file and request."""

    def __init__(self) -> None:
        self.has_ranges = True
        self.has_length = True
        self.rate_bytes_s = 0
        self.served: list[Served] = []
        self.files: dict[str, _File] = {}
        self.url = ""
        self._runner: web.AppRunner | None = None

    def put(
        self,
        path: str,
        content: Content,
        *,
        etag: str = "",
        fault: Callable[[int], Fault | None] = lambda _number: None,
    ) -> str:
        """Serve a file, in place of one that is there; return its address. `fault` is asked with 1, 2, 3, ..."""
        self.files[path] = _File(content=content, etag=etag, fault=fault)
        return f"{self.url}/{path}"

    def ranges(self, path: str) -> list[tuple[int, int]]:
        """Return what of a file went out."""
        return [
            (served.start, served.end) for served in self.served if served.path == path and served.end > served.start
        ]

    async def start(self, port: int = 0) -> None:
        app = web.Application()
        app.router.add_get("/{path:.+}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        assert site._server is not None
        host, bound = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{bound}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        file = self.files.get(path)
        if file is None:
            return self._short(request, path, 404, {})
        file.requests += 1
        fault = file.fault(file.requests) or Fault()
        if fault.status:
            return self._short(request, path, fault.status, fault.headers)
        start, end, is_part = self._range(request, file)
        if start >= end and is_part:
            return self._short(request, path, 416, {"Content-Range": f"bytes */{file.content.size}"})
        return await self._send(request, path, file, fault, (start, end, is_part))

    def _short(self, request: web.Request, path: str, status: int, headers: Mapping[str, str]) -> web.Response:
        self.served.append(Served(path, 0, 0, status, dict(request.headers)))
        return web.Response(status=status, headers=dict(headers))

    def _range(self, request: web.Request, file: _File) -> tuple[int, int, bool]:
        size = file.content.size
        asked = request.headers.get("Range", "")
        same = request.headers.get("If-Range", file.etag) == file.etag
        if not asked or not self.has_ranges or not same:
            return 0, size, False
        first, last = asked.removeprefix("bytes=").split("-")
        return int(first), min(int(last) + 1, size), True

    async def _send(
        self, request: web.Request, path: str, file: _File, fault: Fault, extent: tuple[int, int, bool]
    ) -> web.StreamResponse:
        start, end, is_part = extent
        response = web.StreamResponse(status=206 if is_part else 200, headers=dict(fault.headers))
        if is_part:
            response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.content.size}"
        if file.etag:
            response.headers["ETag"] = file.etag
        if self.has_length:
            response.content_length = end - start
        await response.prepare(request)
        at = start
        try:
            while at < end:
                if fault.stall_after >= 0 and at - start >= fault.stall_after:
                    await asyncio.Event().wait()
                if fault.cut_after >= 0 and at - start >= fault.cut_after:
                    assert request.transport is not None
                    request.transport.abort()
                    break
                until = min(
                    [at + _CHUNK, end, *(start + cut for cut in (fault.cut_after, fault.stall_after) if cut > 0)]
                )
                until = max(until, at + 1)
                await response.write(file.content.read(at, until))
                at = until
                if self.rate_bytes_s:
                    await asyncio.sleep(_CHUNK / self.rate_bytes_s)
        except ConnectionError:
            pass
        finally:
            self.served.append(Served(path, start, at, response.status, dict(request.headers)))
        return response


async def _serve(port: int, log: Path, content: Content) -> None:
    server = FileServer()
    with log.open("a", buffering=1) as lines:

        def note(number: int) -> None:
            del number

        server.put("file", content, etag='"one"', fault=note)
        handle = server._send

        async def logged(
            request: web.Request, path: str, file: _File, fault: Fault, extent: tuple[int, int, bool]
        ) -> web.StreamResponse:
            lines.write(f"{extent[0]} {extent[1]}\n")
            return await handle(request, path, file, fault, extent)

        server._send = logged  # type: ignore[method-assign]
        await server.start(port)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2]), Content(int(sys.argv[3]), int(sys.argv[4]))))

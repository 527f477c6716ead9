"""A file server that fails on demand and remembers what it served. Also as a process of its own, to be killed:

    python tests/support/file_server.py PORT LOG SIZE SEED

serves one file of computed bytes at /file.bin, and notes in LOG what each answer begins to send, as `start end`.
"""

import asyncio
import hashlib
import os
import random
import ssl
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

__all__ = ["Content", "Fault", "FileServer", "Fixed", "Served"]

_BLOCK = 1024 * 1024
_CHUNK = 256 * 1024


class Content:
    """Bytes that are computed, not stored: no two blocks of them are the same."""

    def __init__(self, size: int, seed: int = 1) -> None:
        self.size = size
        base = random.Random(seed).randbytes(_BLOCK)
        self._doubled = memoryview(base + base)

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from `start` to before `end`."""
        pieces = []
        for block in range(start // _BLOCK, -(-end // _BLOCK)):
            turn = block * 7919 % _BLOCK
            first, last = max(0, start - block * _BLOCK), min(_BLOCK, end - block * _BLOCK)
            pieces.append((b"%08x" % block)[first:last])
            pieces.append(bytes(self._doubled[turn + max(8, first) : turn + max(8, last)]))
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


class Fixed:
    """Bytes that a test states."""

    def __init__(self, content: bytes) -> None:
        self.size = len(content)
        self._content = content

    def read(self, start: int, end: int) -> bytes:
        return self._content[start:end]


@dataclass(kw_only=True)
class Fault:
    """How one answer goes wrong."""

    status: int = 0
    """Answer this, without a body."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Added to the answer."""
    cut_after: int = -1
    """Close the connection after so many bytes of the body."""
    stall_after: int = -1
    """Send nothing any more after so many bytes."""
    has_length: bool = True
    has_ranges: bool = True
    has_end: bool = True
    """False: a part that was asked for is sent with all that comes after it."""


Faults = Callable[[int], Fault | None]


@dataclass(frozen=True)
class Served:
    """One answer: which bytes of a file it began to send, and what had been asked."""

    path: str
    start: int
    end: int
    status: int
    headers: Mapping[str, str]


@dataclass(kw_only=True)
class _File:
    content: "Content | Fixed"
    etag: str
    fault: Faults
    has_ranges: bool
    requests: int = 0


class FileServer:
    """An async context manager. `served` tells every answer but those to HEAD."""

    def __init__(
        self, *, port: int = 0, on_answer: Callable[[Served], None] | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.served: list[Served] = []
        self.url = ""
        self._port = port
        self._tls = tls
        self._note = on_answer or self.served.append
        self._files: dict[str, _File] = {}
        app = web.Application()
        app.router.add_get("/{path:.+}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    def put(
        self,
        path: str,
        content: Content | Fixed,
        *,
        etag: str = "",
        fault: Faults = lambda _: None,
        has_ranges: bool = True,
    ) -> str:
        """Serve a file, in place of one that is there; return its address. `fault` is asked with 1, 2, 3, ..."""
        self._files[path] = _File(content=content, etag=etag, fault=fault, has_ranges=has_ranges)
        return f"{self.url}/{path}"

    def ranges(self, path: str) -> list[tuple[int, int]]:
        """Return what of a file was sent, or begun to be sent, answer by answer."""
        return [(served.start, served.end) for served in self.served if served.path == path and served.end]

    async def __aenter__(self) -> "FileServer":
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._tls).start()
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        file = self._files.get(path)
        if file is None:
            return web.Response(status=404)
        if request.method == "HEAD":
            return web.Response(headers={"Content-Length": str(file.content.size)})
        file.requests += 1
        fault = file.fault(file.requests) or Fault()
        is_part = "Range" in request.headers and file.has_ranges and fault.has_ranges and _is_same(request, file)
        start, end = _range(request, file) if is_part else (0, file.content.size)
        end = end if fault.has_end else file.content.size
        if fault.status or (is_part and start >= end):
            headers = fault.headers if fault.status else {"Content-Range": f"bytes */{file.content.size}"}
            self._note(Served(path, 0, 0, fault.status or 416, dict(request.headers)))
            return web.Response(status=fault.status or 416, headers=dict(headers))
        response = web.StreamResponse(status=206 if is_part else 200, headers=dict(fault.headers))
        if is_part:
            response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.content.size}"
        if file.etag:
            response.headers["ETag"] = file.etag
        if fault.has_length:
            response.content_length = end - start
        self._note(Served(path, start, end, response.status, dict(request.headers)))
        await _send(request, response, file.content, (start, end), fault)
        return response


def _is_same(request: web.Request, file: _File) -> bool:
    return request.headers.get("If-Range", file.etag) == file.etag


def _range(request: web.Request, file: _File) -> tuple[int, int]:
    first, last = request.headers["Range"].removeprefix("bytes=").split("-")
    return int(first), min(int(last) + 1, file.content.size)


async def _send(
    request: web.Request, response: web.StreamResponse, content: Content | Fixed, extent: tuple[int, int], fault: Fault
) -> None:
    at, end = extent
    stops = sorted(at + stop for stop in (fault.cut_after, fault.stall_after) if stop >= 0)
    try:
        await response.prepare(request)
        while at < end and at not in stops:
            until = min([at + _CHUNK, end, *(stop for stop in stops if stop > at)])
            await response.write(content.read(at, until))
            at = until
        if at == end:
            return
        if fault.stall_after >= 0:
            await asyncio.Event().wait()
        assert request.transport is not None
        request.transport.abort()
    except ConnectionError:
        pass  # whoever asked has gone


async def _serve(port: int, log: str, content: Content) -> None:
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(served: Served) -> None:
        os.write(fd, f"{served.start} {served.end}\n".encode())

    async with FileServer(port=port, on_answer=note) as server:
        server.put("file.bin", content, etag='"one"')
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), sys.argv[2], Content(int(sys.argv[3]), int(sys.argv[4]))))

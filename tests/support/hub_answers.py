"""How the Hub server answers: bytes with ranges and tags, and the faults that a test asked for."""

import asyncio
import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from aiohttp import web

from tests.support.hub_blobs import Blob

__all__ = ["ASKED", "Asked", "Fault", "Planned", "Responder", "refused"]

_PIECE_BYTES = 64 * 1024
_NOT_FOUND_HEADERS = {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"}


class Fault(enum.Enum):
    """What goes wrong with an answer."""

    CUT = "cut"
    """The connection is closed after `after_bytes` of the body."""
    WRONG = "wrong"
    """The byte at `after_bytes` of the body is another one."""
    SLOW = "slow"
    """The body comes at `rate_bytes_s`."""
    STALL = "stall"
    """Nothing comes after `after_bytes` of the body, and the connection stays open."""
    LIMITED = "limited"
    """429 with Retry-After."""
    UNAVAILABLE = "unavailable"
    """503."""
    VANISHED = "vanished"
    """404."""
    FORBIDDEN = "forbidden"
    """403."""
    RANGE_IGNORED = "range-ignored"
    """The whole file with 200, whatever part was asked for."""
    HEAD_REFUSED = "head-refused"
    """405 for HEAD; other methods are answered."""
    HUNG_UP = "hung-up"
    """The connection is closed before the answer."""
    SILENT = "silent"
    """No answer at all."""


_OF_BODIES = frozenset({Fault.CUT, Fault.WRONG, Fault.SLOW, Fault.STALL, Fault.RANGE_IGNORED})


@dataclass
class Planned:
    """A fault that a test asked for."""

    fault: Fault
    path: str
    times: int
    after_bytes: int = 0
    rate_bytes_s: float = 0.0
    retry_after: str = "1"


@dataclass
class Asked:
    """One request as it came in, and how much of a file went out."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    sent_bytes: int = 0
    status: int = 0

    @property
    def range(self) -> str:
        return self.headers.get("Range", "")

    @property
    def token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")


ASKED = web.RequestKey("asked", Asked)


@dataclass
class Responder:
    """Notes every request and spoils the answers that were asked to be spoilt."""

    faults: list[Planned] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    @property
    def middleware(self) -> Callable[..., Awaitable[web.StreamResponse]]:
        @web.middleware
        async def note(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            asked = Asked(request.method, request.path, dict(request.query), dict(request.headers))
            self.asked.append(asked)
            request[ASKED] = asked
            answer = await self._spoilt(request) or await handler(request)
            asked.status = answer.status
            return answer

        return note

    async def file(self, request: web.Request, blob: Blob, headers: dict[str, str] | None = None) -> web.StreamResponse:
        """Answer with the file or the part that is asked for."""
        planned = self._take(request, *_OF_BODIES) if request.method == "GET" else None
        is_part = _is_part(request, blob)
        if planned and planned.fault is Fault.RANGE_IGNORED:
            planned, is_part = None, False
        start, end = _range(request, blob) if is_part else (0, blob.size)
        if start >= end and blob.size:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{blob.size}"})
        answer = web.StreamResponse(status=206 if is_part else 200, headers={**_headers(blob), **(headers or {})})
        answer.content_length = end - start
        if is_part:
            answer.headers["Content-Range"] = f"bytes {start}-{end - 1}/{blob.size}"
        await answer.prepare(request)
        if request.method == "GET":
            await self._send(request, answer, blob, start, end, planned)
        return answer

    async def _send(
        self,
        request: web.Request,
        answer: web.StreamResponse,
        blob: Blob,
        start: int,
        end: int,
        planned: Planned | None,
    ) -> None:
        asked = request[ASKED]
        at = start
        for stop in _stops(start, end, planned):
            piece = await asyncio.to_thread(blob.read, at, stop - at)
            if planned and planned.fault is Fault.WRONG and at <= start + planned.after_bytes < stop:
                place = start + planned.after_bytes - at
                piece = piece[:place] + bytes([piece[place] ^ 0xFF]) + piece[place + 1 :]
            await answer.write(piece)
            asked.sent_bytes += len(piece)
            at = stop
            if planned and planned.fault is Fault.SLOW:
                await asyncio.sleep(len(piece) / planned.rate_bytes_s)
        if planned and planned.fault is Fault.STALL:
            await asyncio.Event().wait()
        if planned and planned.fault is Fault.CUT and request.transport is not None:
            request.transport.close()
        if at == end:
            await answer.write_eof()

    async def _spoilt(self, request: web.Request) -> web.StreamResponse | None:
        planned = self._take(request, *(set(Fault) - _OF_BODIES))
        match planned.fault if planned else None:
            case Fault.LIMITED if planned:
                return web.Response(status=429, headers={"Retry-After": planned.retry_after}, text="too many requests")
            case Fault.UNAVAILABLE:
                return web.Response(status=503, text="try again later")
            case Fault.VANISHED:
                return web.Response(status=404, headers=_NOT_FOUND_HEADERS, text="Entry not found")
            case Fault.FORBIDDEN:
                return web.Response(status=403, text="forbidden")
            case Fault.HEAD_REFUSED:
                return web.Response(status=405, text="method not allowed")
            case Fault.SILENT:
                await asyncio.Event().wait()
            case Fault.HUNG_UP if request.transport is not None:
                request.transport.abort()
                await asyncio.Event().wait()
        return None

    def _take(self, request: web.Request, *kinds: Fault) -> Planned | None:
        for planned in self.faults:
            is_due = planned.fault in kinds and fnmatchcase(request.path, planned.path) and planned.times != 0
            if is_due and (planned.fault is not Fault.HEAD_REFUSED or request.method == "HEAD"):
                planned.times -= 1
                return planned
        return None


def refused(status: int, code: str = "", message: str = "") -> web.Response:
    """Return an error as the Hub words it."""
    headers = {name: text for name, text in (("X-Error-Code", code), ("X-Error-Message", message)) if text}
    return web.json_response({"error": message or code}, status=status, headers=headers)


def _headers(blob: Blob) -> dict[str, str]:
    return {"ETag": blob.etag, "Accept-Ranges": "bytes", "Content-Type": blob.media_type}


def _is_part(request: web.Request, blob: Blob) -> bool:
    return "Range" in request.headers and request.headers.get("If-Range", blob.etag) == blob.etag


def _range(request: web.Request, blob: Blob) -> tuple[int, int]:
    asked = request.http_range
    start, stop = asked.start or 0, asked.stop
    if start < 0:
        return max(0, blob.size + start), blob.size
    return start, min(blob.size, blob.size if stop is None else stop)


def _stops(start: int, end: int, planned: Planned | None) -> list[int]:
    if planned and planned.fault in (Fault.CUT, Fault.STALL):
        end = min(end, start + planned.after_bytes)
    piece = _PIECE_BYTES
    if planned and planned.fault is Fault.SLOW:
        piece = max(1, min(piece, int(planned.rate_bytes_s / 10)))
    return [min(at + piece, end) for at in range(start, end, piece)]

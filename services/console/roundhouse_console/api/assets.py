"""Scripts, styles and fonts: packed once, kept in memory, and told to browsers to be kept for good.

A page of a browser that was never here asks for two megabytes in twenty pieces. Through the framework each of them is
read from the disk and packed anew, in the same thread that builds pages.
"""

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

from roundhouse_common.service.ops import ASGIApp

__all__ = ["FOR_GOOD", "Assets"]

FOR_GOOD: Final = "public, max-age=31536000, immutable"
_MOST_BYTES: Final = 8 * 2**20
"""Of one asset; larger ones are passed on as they come."""
_MOST_KEPT: Final = 500
_LEAST_PACKED_BYTES: Final = 500
_PACKED: Final = ("text/", "application/javascript", "application/json", "image/svg+xml")
"""Types that packing makes smaller; fonts and pictures are packed already."""
_LEFT_OUT: Final = frozenset((b"content-encoding", b"content-length", b"vary", b"cache-control", b"set-cookie"))
Scope = MutableMapping[str, Any]
Send = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Kept:
    headers: list[tuple[bytes, bytes]]
    plain: bytes
    packed: bytes


class Assets:
    """Answers for paths whose content never changes while the process runs: `prefixes`, but not those of `but_not`.

    What the application answers to the first question is what all get. The URL must change with the content.
    """

    def __init__(self, app: ASGIApp, prefixes: Iterable[str], *, but_not: Iterable[str] = ()) -> None:
        self._app = app
        self._prefixes = tuple(prefixes)
        self._but_not = tuple(but_not)
        self._kept: dict[str, _Kept] = {}

    def has(self, scope: Scope) -> bool:
        """Say whether a request is for an asset."""
        path: str = scope["path"]
        is_read = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        return is_read and path.startswith(self._prefixes) and not path.startswith(self._but_not)

    async def answer(self, scope: Scope, send: Send) -> None:
        """Answer a request that `has` took. What is none after all, e.g. a 404, comes from the application."""
        kept = self._kept.get(scope["path"])
        if kept is None:
            caught = await self._catch(scope)
            if caught.kept is None:
                for message in caught.messages:
                    await send(message)
                return
            kept = caught.kept
        takes_packed = any(name == b"accept-encoding" and b"gzip" in value for name, value in scope["headers"])
        is_packed = takes_packed and bool(kept.packed)
        body = kept.packed if is_packed else kept.plain
        headers = [*kept.headers, (b"content-length", str(len(body)).encode("ascii"))]
        if is_packed:
            headers.append((b"content-encoding", b"gzip"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def warm(self, paths: Iterable[str]) -> None:
        """Have assets at hand before somebody asks for them."""
        for path in paths:
            await self.answer(_question(path), _ignore)

    async def _catch(self, scope: Scope) -> "_Caught":
        caught = _Caught()
        await self._app(_plain_question(scope), _patience, caught.take)
        if caught.status == 200 and caught.size <= _MOST_BYTES and len(self._kept) < _MOST_KEPT:
            # In a thread of its own: what is packed once may take long.
            caught.kept = self._kept[scope["path"]] = await asyncio.to_thread(_keep, caught.headers, caught.body())
        return caught


class _Caught:
    """What the application answered."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.status = 0
        self.size = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.kept: _Kept | None = None

    async def take(self, message: Any) -> None:
        self.messages.append(message)
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", ()))
        else:
            self.size += len(message.get("body", b""))

    def body(self) -> bytes:
        return b"".join(one.get("body", b"") for one in self.messages[1:])


def _keep(headers: list[tuple[bytes, bytes]], body: bytes) -> _Kept:
    kept = [(name, value) for name, value in headers if name not in _LEFT_OUT]
    kind = dict(kept).get(b"content-type", b"").decode("latin-1")
    packed = gzip.compress(body, 9, mtime=0) if kind.startswith(_PACKED) and len(body) >= _LEAST_PACKED_BYTES else b""
    kept += [(b"cache-control", FOR_GOOD.encode("ascii")), (b"vary", b"accept-encoding")]
    return _Kept(kept, body, packed if len(packed) < len(body) else b"")


def _plain_question(scope: Scope) -> Scope:
    """Return the question for the whole asset as it is: not packed, not a part, not only if it changed."""
    return {**scope, "method": "GET", "headers": [one for one in scope["headers"] if one[0] == b"host"]}


def _question(path: str) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [],
        "client": None,
        "server": None,
        "state": {},
    }


async def _patience() -> Any:
    """Never say anything: applications watch for the client's leaving, and ask again at once when it says otherwise."""
    await asyncio.Event().wait()


async def _ignore(_message: Any) -> None:
    pass

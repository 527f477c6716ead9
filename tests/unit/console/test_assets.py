"""Scripts and styles: asked of the application once, packed once, kept by browsers for good."""

import asyncio
import gzip
from typing import Any

from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response

from roundhouse_console.api.assets import FOR_GOOD, Assets
from tests.support.asgi_call import asgi_call

_SCRIPT = b"export default 1;\n" * 100
_FONT = bytes(range(256)) * 8


class Files:
    """An application with two files that counts what it is asked, and sees to it that it is asked plainly."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append(scope["path"])
        assert not {b"accept-encoding", b"range", b"if-none-match", b"cookie"} & {name for name, _ in scope["headers"]}
        kinds = {"/a/one.js": (b"text/javascript", _SCRIPT), "/a/one.woff2": (b"font/woff2", _FONT)}
        kind, body = kinds.get(scope["path"], (b"text/plain", b"none"))
        status = 200 if scope["path"] in kinds else 404
        headers = [(b"content-type", kind), (b"cache-control", b"no-cache"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body[:9], "more_body": True})
        await send({"type": "http.response.body", "body": body[9:]})


class Site:
    """The assets as a gate asks them."""

    def __init__(self) -> None:
        self.files = Files()
        self.assets = Assets(self.files, ["/a/"], but_not=["/a/live/"])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert self.assets.has(scope)
        await self.assets.answer(scope, send)


async def test_browsers_get_it_packed_and_keep_it_for_good() -> None:
    site = Site()
    sent = ((b"accept-encoding", b"gzip, br"), (b"range", b"bytes=0-3"), (b"cookie", b"roundhouse_session=1"))
    for _ in range(3):
        answer = await asgi_call(site, "GET", b"/a/one.js", headers=sent)
        headers = dict(answer.headers)
        assert gzip.decompress(answer.body) == _SCRIPT
        assert headers[b"content-encoding"] == b"gzip"
        assert headers[b"content-length"] == b"%d" % len(answer.body)
        assert headers[b"cache-control"] == FOR_GOOD.encode()
        assert [name for name, _ in answer.headers].count(b"cache-control") == 1
    assert site.files.asked == ["/a/one.js"]


async def test_who_does_not_unpack_gets_it_as_it_is() -> None:
    answer = await asgi_call(Site(), "GET", b"/a/one.js")
    assert answer.body == _SCRIPT
    assert b"content-encoding" not in dict(answer.headers)
    assert dict(answer.headers)[b"vary"] == b"accept-encoding"


async def test_a_question_for_the_head_has_no_body() -> None:
    answer = await asgi_call(Site(), "HEAD", b"/a/one.js")
    assert (answer.status, answer.body) == (200, b"")
    assert dict(answer.headers)[b"content-length"] == b"%d" % len(_SCRIPT)


async def test_fonts_are_not_packed_again() -> None:
    answer = await asgi_call(Site(), "GET", b"/a/one.woff2", headers=[(b"accept-encoding", b"gzip")])
    assert answer.body == _FONT


async def test_what_is_not_there_is_asked_again_and_never_kept_for_good() -> None:
    site = Site()
    for _ in range(2):
        answer = await asgi_call(site, "GET", b"/a/none.js")
        assert answer.status == 404
        assert dict(answer.headers)[b"cache-control"] == b"no-cache"
    assert site.files.asked == ["/a/none.js"] * 2


async def test_what_is_warmed_is_not_asked_again() -> None:
    site = Site()
    await site.assets.warm(["/a/one.js", "/a/none.js"])
    await asgi_call(site, "GET", b"/a/one.js")
    assert site.files.asked == ["/a/one.js", "/a/none.js"]


async def test_it_is_warmed_through_middleware_that_watches_for_who_leaves() -> None:
    """It asks what the client says until that is a good-bye; an answer that is no good-bye at once never ends."""

    class Passing(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
            return await call_next(request)

    files = Files()
    assets = Assets(Passing(Passing(files)), ["/a/"])
    async with asyncio.timeout(5):
        await assets.warm(["/a/one.js"])
    assert files.asked == ["/a/one.js"]


def test_only_reading_below_the_addresses_that_change_with_the_content_counts() -> None:
    assets = Site().assets

    def has(method: str, path: str, kind: str = "http") -> bool:
        return assets.has({"type": kind, "method": method, "path": path})

    assert has("GET", "/a/one.js")
    assert not has("POST", "/a/one.js")
    assert not has("GET", "/a/live/now.js")
    assert not has("GET", "/b")
    assert not assets.has({"type": "websocket", "path": "/a/one.js"})

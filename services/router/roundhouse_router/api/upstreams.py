"""Sending a request to an engine or an outside provider."""

from collections.abc import Mapping
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import msgspec

from roundhouse_common.contracts.routing import ProviderFormat, ProviderRecord
from roundhouse_common.contracts.scheduler import Endpoint
from roundhouse_common.runtime import Clock
from roundhouse_router.api.course import Course
from roundhouse_router.domain.choosing.candidate import Candidate
from roundhouse_router.formats.predictions import Predictions
from roundhouse_router.formats.reply import UpstreamReply
from roundhouse_router.providers.keys import KeyVerdict, ProviderKeys
from roundhouse_router.settings import RouterSettings
from roundhouse_router.wire.client import Client, Origin
from roundhouse_router.wire.errors import Broken, Silent, TooLarge
from roundhouse_router.wire.reply import Reply
from roundhouse_router.wire.upstream import Listener, UpstreamConnection

__all__ = ["Upstreams"]

_KEPT: Final = 8192
_ERROR_BYTES: Final = 64 * 1024
_JSON: Final = b"content-type: application/json\r\n"
_IDENTITY: Final = b"accept-encoding: identity\r\n"
_ID_LINE: Final = b"x-request-id: "
_TRACE: Final = (b"traceparent", b"tracestate")


class _Error(msgspec.Struct):
    code: str | None = None
    type: str | None = None


class _Told(msgspec.Struct):
    """OpenAI's error."""

    error: _Error


class Upstreams:
    """Shared by all requests. What is equal for all requests to one endpoint is put together once."""

    def __init__(
        self, client: Client, keys: ProviderKeys, predictions: Predictions, settings: RouterSettings, clock: Clock
    ) -> None:
        self._client = client
        self._predictions = predictions
        self._keys = keys
        self._clock = clock
        self._connect_s = settings.connect_timeout_s
        self._heads: dict[tuple[str, str, str, bool], tuple[Origin, bytes]] = {}

    async def ask(
        self,
        candidate: Candidate,
        course: Course,
        *,
        request_id: str,
        headers: Mapping[bytes, bytes],
        is_fresh: bool,
        first_byte_s: float,
    ) -> UpstreamReply:
        """Send it; return the answer once its status is there. Raises the wire's errors, and those of `providers`.

        Of the client's headers only those of the trace go on.
        """
        endpoint, provider = candidate.endpoint, candidate.provider
        lines = _own_lines(course, request_id, headers)
        if endpoint is not None:
            origin, head = self._head(endpoint.base_url, course, endpoint.engine_api_key)
            return await self._send(origin, head + lines, course, is_fresh, first_byte_s)
        assert provider is not None
        origin, head = self._head(provider.base_url, course, "")
        head += lines
        return await self._with_key(candidate, provider, origin, head, course, is_fresh, first_byte_s)

    def ask_at_once(
        self,
        endpoint: Endpoint,
        course: Course,
        listener: Listener,
        request_id: str,
        headers: Mapping[bytes, bytes],
        first_byte_s: float,
    ) -> UpstreamConnection | None:
        """Send it to an engine on a connection that is idle; None: there is none, and nothing was sent."""
        origin, head = self._head(endpoint.base_url, course, endpoint.engine_api_key)
        head += _own_lines(course, request_id, headers)
        return self._client.send_at_once(origin, head, course.body, listener, first_byte_s)

    async def _with_key(
        self,
        candidate: Candidate,
        provider: ProviderRecord,
        origin: Origin,
        head: bytes,
        course: Course,
        is_fresh: bool,
        first_byte_s: float,
    ) -> UpstreamReply:
        """Ask with one of the provider's keys after the other, while the answer is about the key."""
        tried: list[str] = []
        while True:
            key = self._keys.take(provider, candidate.model, self._clock.now(), tried)
            extra = {**course.authorization(key.secret), **course.headers, **provider.headers}
            reply: UpstreamReply
            if provider.format is ProviderFormat.REPLICATE:
                send = partial(self._send_to, is_fresh, first_byte_s)
                reply = await self._predictions.ask(send, provider.base_url, extra, course.body, within_s=first_byte_s)
            else:
                reply = await self._send(origin, head + _lines(extra), course, is_fresh, first_byte_s)
            code = await _code_of(reply) if reply.status == 429 else ""
            if self._keys.answered(key, reply.status, reply.headers, self._clock.now(), code=code) is KeyVerdict.GOOD:
                return reply
            reply.close()
            tried.append(key.key_id)

    async def _send(self, origin: Origin, head: bytes, course: Course, is_fresh: bool, first_byte_s: float) -> Reply:
        chunks = course.chunks()
        if chunks is None:
            return await self._client.send(
                origin, head, course.body, is_fresh=is_fresh, connect_s=self._connect_s, first_byte_s=first_byte_s
            )
        return await self._client.send_stream(
            origin, head, chunks, is_fresh=is_fresh, connect_s=self._connect_s, first_byte_s=first_byte_s
        )

    async def _send_to(
        self, is_fresh: bool, first_byte_s: float, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        """Send one of the requests that a prediction consists of."""
        origin, head = _head_of(url, "", "", bool(body), method)
        return await self._client.send(
            origin,
            head + _lines(headers),
            body,
            is_fresh=is_fresh,
            connect_s=self._connect_s,
            first_byte_s=first_byte_s,
        )

    def _head(self, base_url: str, course: Course, secret: str) -> tuple[Origin, bytes]:
        """Return where to connect, and the request line with the headers that are the same every time."""
        key = (base_url, course.path, secret, course.content_type is None)
        found = self._heads.get(key)
        if found is None:
            if len(self._heads) >= _KEPT:
                self._heads.clear()
            found = self._heads[key] = _head_of(*key)
        return found


async def _code_of(reply: UpstreamReply) -> str:
    """Return an error's code: of two kinds of 429 one is about the key's credit, and no matter of waiting."""
    try:
        found = msgspec.json.decode(await reply.read_all(_ERROR_BYTES), type=_Told)
    except (Broken, Silent, TooLarge, msgspec.DecodeError):
        return ""
    return found.error.code or found.error.type or ""


def _own_lines(course: Course, request_id: str, headers: Mapping[bytes, bytes]) -> bytes:
    """Return the header lines of one request."""
    lines = b"".join((_ID_LINE, request_id.encode(), b"\r\n"))
    if course.request.is_stream:
        lines += b"accept: text/event-stream\r\n"
    kind = course.content_type
    if kind is not None:
        lines += b"content-type: %b\r\n" % kind
    for name in _TRACE:
        if name in headers:
            lines += b"%b: %b\r\n" % (name, headers[name])
    return lines


def _head_of(base_url: str, path: str, secret: str, is_json: bool, method: str = "POST") -> tuple[Origin, bytes]:
    url = urlsplit(base_url)
    is_tls = url.scheme == "https"
    origin = Origin(url.hostname or "", url.port or (443 if is_tls else 80), is_tls)
    target = _clean(url.path + path + (f"?{url.query}" if url.query else "")) or "/"
    lines = f"{method} {target} HTTP/1.1\r\nhost: {_clean(url.netloc)}\r\n".encode("latin-1")
    lines += _JSON + _IDENTITY if is_json else _IDENTITY
    if secret:
        lines += f"authorization: Bearer {_clean(secret)}\r\n".encode("latin-1")
    return origin, lines


def _lines(headers: Mapping[str, str]) -> bytes:
    return "".join(f"{_clean(name)}: {_clean(value)}\r\n" for name, value in headers.items()).encode(
        "latin-1", "replace"
    )


def _clean(text: str) -> str:
    """Return the text without what would end a header line."""
    return text.replace("\r", "").replace("\n", "").replace("\0", "") if not text.isprintable() else text

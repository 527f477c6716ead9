"""The little of HTTP that the router needs on top of ASGI."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from types import TracebackType
from typing import Any, Final

from roundhouse_router.domain.errors import ApiError, BodyTooLarge

__all__ = ["JSON", "ClientLeft", "ClientWatch", "Receive", "Scope", "Send", "read_body", "send_answer", "send_error"]

# Any: ASGI's messages are dictionaries with values of many types.
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

JSON: Final = b"application/json"


class ClientLeft(Exception):
    """The client closed its connection before the answer was complete."""


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """Return the whole request body. Raises BodyTooLarge as soon as that is known, and ClientLeft."""
    announced = headers.get(b"content-length", b"0")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body", False) and len(body) <= limit:
        return body
    parts, size = [body], len(body)
    while True:
        if message["type"] == "http.disconnect":
            raise ClientLeft
        if size > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return b"".join(parts)
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])


async def send_answer(send: Send, status: int, body: bytes, headers: Headers) -> None:
    """Send a whole answer."""
    whole = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": whole})
    await send({"type": "http.response.body", "body": body})


async def send_error(send: Send, error: ApiError, headers: Headers) -> None:
    """Send an error in OpenAI's shape."""
    extra = [(b"content-type", JSON)]
    if error.retry_after_s:
        extra.append((b"retry-after", b"%d" % error.retry_after_s))
    if error.status == 401:
        extra.append((b"www-authenticate", b"Bearer"))
    await send_answer(send, error.status, error.body(), [*headers, *extra])


class ClientWatch:
    """Cancels the block of its `async with` when the client leaves, and turns that into ClientLeft.

    Enter it after the body was read; call `stop` right before the last bytes of the answer are sent.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._has_left = False

    async def __aenter__(self) -> "ClientWatch":
        task = asyncio.current_task()
        assert task is not None
        self._watched = task
        self._watching = asyncio.create_task(self._watch(), name="client-watch")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watching.cancel()
        # As in asyncio.timeout: our own cancellation becomes ClientLeft, somebody else's passes on.
        if self._has_left and self._watched.uncancel() == 0 and kind is asyncio.CancelledError:
            raise ClientLeft from error

    def stop(self) -> None:
        """Let the client go from now on."""
        self._watching.cancel()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._has_left = True
        self._watched.cancel()


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body is larger than {limit} bytes, which is the most that is accepted.")

"""The little of HTTP that the router needs on top of ASGI."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from types import TracebackType
from typing import Any, Final

from roundhouse_router.domain.errors import ApiError, BodyTooLarge

__all__ = [
    "CLIENT_LEFT",
    "CLIENT_STALLED",
    "JSON",
    "ClientLeft",
    "ClientWatch",
    "Receive",
    "Scope",
    "Send",
    "read_body",
    "send_answer",
    "send_error",
]

# Any: ASGI's messages are dictionaries with values of many types.
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

JSON: Final = b"application/json"
CLIENT_LEFT: Final = "client_left"
CLIENT_STALLED: Final = "client_stalled"


class ClientLeft(Exception):
    """The client closed its connection, or stopped reading, before the answer was complete. Its text is the reason."""


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
            raise ClientLeft(CLIENT_LEFT)
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

    A client that takes nothing of what is sent for `stall_s` counts as having left: nobody may hold an engine by not
    reading. Enter it after the body was read, send through it, and call `stop` right before the last bytes are sent.
    """

    def __init__(self, receive: Receive, send: Send, *, stall_s: float) -> None:
        self._receive = receive
        self._send = send
        self._stall_s = stall_s
        self._begun = 0
        self._ended = 0
        self._has_left = False
        self._is_stalled = False

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
            raise ClientLeft(CLIENT_STALLED if self._is_stalled else CLIENT_LEFT) from error

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Send one message; it waits while the client does not take what was sent before."""
        self._begun += 1
        await self._send(message)
        self._ended += 1

    def stop(self) -> None:
        """Let the client go from now on."""
        self._watching.cancel()

    async def _watch(self) -> None:
        while not self._is_stalled:
            begun, is_waiting = self._begun, self._begun != self._ended
            try:
                async with asyncio.timeout(self._stall_s):
                    if (await self._receive())["type"] == "http.disconnect":
                        break
            except TimeoutError:
                self._is_stalled = is_waiting and self._begun == begun
        self._has_left = True
        self._watched.cancel()


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body is larger than {limit} bytes, which is the most that is accepted.")

"""Passing an answer on to the client, and settling the request before its last byte goes out."""

import asyncio
from typing import Final

import aiohttp

from roundhouse_common.contracts.usage import Outcome, UsageSource
from roundhouse_router.api.attempts import Live, Whole
from roundhouse_router.api.flight import Flight
from roundhouse_router.api.http import JSON, ClientWatch, Send, send_answer
from roundhouse_router.domain.answer import read_answer
from roundhouse_router.domain.errors import ApiError, UpstreamFailed, UpstreamTimeout
from roundhouse_router.domain.refusals import as_openai_error
from roundhouse_router.domain.stream import StreamScanner

__all__ = ["EarlyStream", "relay_live", "relay_whole"]

_PASSED_ON: Final = ("content-type", "content-encoding", "retry-after", "retry-after-ms")
_EVENT_STREAM: Final = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
_COMMENT: Final = b": waiting for the model\n\n"
_DONE: Final = b"data: [DONE]\n\n"
Headers = list[tuple[bytes, bytes]]


class EarlyStream:
    """A stream that begins before there is a replica: comment lines, which clients of server-sent events skip.

    Nothing of an engine has been sent yet, so another endpoint may still be tried; but the status is: what fails
    from now on is told inside the stream.
    """

    def __init__(self, flight: Flight, watch: ClientWatch, headers: Headers) -> None:
        self._flight = flight
        self._watch = watch
        self._headers = headers

    async def say(self) -> None:
        """Send the head of the answer the first time, and a comment each time."""
        await _begin(self._flight, self._watch, self._headers)
        await self._watch.send({"type": "http.response.body", "body": _COMMENT, "more_body": True})

    async def fail(self, error: ApiError) -> None:
        """Settle, and end the stream with an error event."""
        self._flight.settle(Outcome.FAILED, self._flight.status_sent, error.error_code)
        self._watch.stop()
        await self._watch.send({"type": "http.response.body", "body": _last_event(error.body()), "more_body": False})


async def relay_whole(flight: Flight, answer: Whole, watch: ClientWatch, headers: Headers) -> None:
    """Pass on an answer that came whole, also an engine's own error."""
    body = answer.body
    if answer.status == 200 and "content-encoding" not in answer.headers:
        body, counts = read_answer(body, flight.request.model)
        flight.know(counts, UsageSource.ENGINE_FINAL)
    shaped = None
    if answer.status < 400:
        flight.settle(Outcome.COMPLETED, answer.status)
    else:
        shaped = None if "content-encoding" in answer.headers else as_openai_error(answer.status, body)
        body = body if shaped is None else shaped
        flight.settle(Outcome.FAILED, flight.status_sent or answer.status, f"upstream_{answer.status}")
    watch.stop()
    if flight.status_sent:  # the stream had begun: a refusal is told inside it
        await watch.send({"type": "http.response.body", "body": _last_event(body), "more_body": False})
        return
    passed = [(name.encode(), value.encode("latin-1")) for name in _PASSED_ON if (value := answer.headers.get(name))]
    if shaped is not None:
        passed = [(b"content-type", JSON), *(pair for pair in passed if pair[0] != b"content-type")]
    await send_answer(watch.send, answer.status, body, headers + passed)


async def relay_live(flight: Flight, live: Live, watch: ClientWatch, headers: Headers, *, drain_s: float) -> None:
    """Pass on a stream, chunk by chunk. Raises ClientLeft (from the watch); the upstream is closed then."""
    request = flight.request
    scanner = StreamScanner(
        requested=request.model,
        strip_usage=not request.wants_usage,
        running=live.running,
        strip_running=live.running is not None and live.running.parameter not in request.members,
        moves_usage=live.moves_usage,
    )
    flight.first_token()
    try:
        await _begin(flight, watch, headers)
        last, failure = await _pump(live, scanner, watch.send)
        _settle(flight, scanner, failure)
        watch.stop()
        await watch.send({"type": "http.response.body", "body": last, "more_body": False})
        await _await_end(live.response, drain_s)
    finally:
        if not flight.is_settled:
            flight.know(scanner.so_far(), UsageSource.ENGINE_RUNNING)
        live.response.close()


async def _begin(flight: Flight, watch: ClientWatch, headers: Headers) -> None:
    """Send the head of a stream, unless it is out already."""
    if not flight.status_sent:
        flight.status_sent = 200
        await watch.send({"type": "http.response.start", "status": 200, "headers": headers + _EVENT_STREAM})


def _last_event(body: bytes) -> bytes:
    """A whole answer as the only event, and the end: the SDKs raise on an error, others see that nothing more comes."""
    return b"data: " + body.replace(b"\n", b" ") + b"\n\n" + _DONE


async def _pump(live: Live, scanner: StreamScanner, send: Send) -> tuple[bytes, ApiError | None]:
    """Send everything but the last bytes; return those, and what went wrong."""
    content, chunk, sent = live.response.content, live.first, b""
    failure: ApiError
    try:
        while chunk:
            out = scanner.feed(chunk)
            if scanner.is_done:
                out += scanner.finish()
                return out if out.endswith(b"\n\n") else out + b"\n\n", None
            if out:
                await send({"type": "http.response.body", "body": out, "more_body": True})
                sent = out
            chunk = await content.readany()
        last = scanner.finish()
        if scanner.is_done or scanner.has_error:
            return last, None
        return last + (_DONE if (last or sent).endswith(b"\n\n") else b"\n\n" + _DONE), None
    except aiohttp.ServerTimeoutError:
        failure = UpstreamTimeout("The engine fell silent in the middle of its answer.")
    except aiohttp.ClientError:
        failure = UpstreamFailed("The engine broke off in the middle of its answer.")
    except UpstreamFailed as error:
        failure = error
    # The SDKs raise on an error event, where a missing end would pass for an answer.
    return b"\n\ndata: " + failure.body() + b"\n\n", failure


def _settle(flight: Flight, scanner: StreamScanner, failure: ApiError | None) -> None:
    is_final = scanner.usage is not None
    flight.know(scanner.so_far(), UsageSource.ENGINE_FINAL if is_final else UsageSource.ENGINE_RUNNING)
    if failure is not None:
        flight.settle(Outcome.FAILED, 200, failure.error_code)
    elif scanner.has_error:
        flight.settle(Outcome.FAILED, 200, UpstreamFailed.code)
    else:
        flight.settle(Outcome.COMPLETED, 200)


async def _await_end(response: aiohttp.ClientResponse, drain_s: float) -> None:
    """Let the engine end its answer, so that its connection can be used again. The client has everything already."""
    try:
        async with asyncio.timeout(drain_s):
            while await response.content.readany():
                pass
    except (TimeoutError, aiohttp.ClientError):
        return

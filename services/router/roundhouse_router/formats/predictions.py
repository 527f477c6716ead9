"""Runs predictions on Replicate: makes one, follows it by polling or by its stream, and cancels it when nobody waits.

A prediction costs money until it ends, whoever still wants it. So one whose client has left is cancelled, also when its
id was not known yet; and each is told at its making when it is too late for it (`Cancel-After`).
"""

import asyncio
import math
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from types import TracebackType
from typing import Final, NamedTuple, Protocol
from urllib.parse import urlsplit

import structlog

from roundhouse_common.runtime import Clock
from roundhouse_router.domain.errors import UpstreamFailed
from roundhouse_router.formats.prediction_stream import PredictionStream, prediction_event
from roundhouse_router.formats.replicate import PredictionOrder, read_order
from roundhouse_router.formats.replicate_answer import Prediction, failed_status, read_prediction
from roundhouse_router.formats.replicate_input import USUAL, Parameters, read_parameters
from roundhouse_router.formats.reply import UpstreamReply, WholeReply
from roundhouse_router.wire.errors import Broken, HungUp, Silent, WireError

__all__ = ["Predictions", "Send"]

_log = structlog.get_logger("roundhouse.predictions")

_JSON: Final = b"application/json"
_EVENT_STREAM: Final = b"text/event-stream"
_WAIT: Final = {"prefer": "wait=5"}
"""A short answer comes with the first request; of a long one the id is known soon, by which it can be cancelled."""
_POLL_FIRST_S: Final = 0.5
_POLL_LONGEST_S: Final = 5.0
_POLL_FAILURES: Final = 5
"""In a row: a provider that cannot be asked for a moment still works."""
_CANCEL_S: Final = 10.0
_KNOWN_MOST: Final = 1000
_KNOWN_FOR_S: Final = 3600.0
_UNKNOWN_FOR_S: Final = 60.0
_MOST_BYTES: Final = 64 * 1024 * 1024
_ADDRESS: Final = re.compile(r"[0-9.]+|.*:.*")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


class _Look(NamedTuple):
    """A prediction as it stood, read and as it came."""

    prediction: Prediction
    told: bytes


class Send(Protocol):
    """Sends one request. Raises the wire's errors."""

    async def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> UpstreamReply: ...


class Predictions:
    """Shared by all requests. Cancellations go on after the request that they are for."""

    def __init__(self, clock: Clock, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._known: dict[str, tuple[Parameters, float]] = {}
        """By address of the model: its parameters, and until when they are taken for true."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Predictions":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tasks:  # each has a deadline
            await asyncio.wait(self._tasks)

    async def ask(
        self, send: Send, base_url: str, headers: Mapping[str, str], body: bytes, *, within_s: float
    ) -> UpstreamReply:
        """Return the answer to what `ReplicateFormat.request` made: a prediction that has ended, or the stream of one.

        `within_s` is for a prediction to end, or its stream to begin. An answer that refuses to make one is returned as
        it is. A prediction that failed has a status of its own. Raises BadBody and the wire's errors.
        """
        try:
            return await self._asked(send, base_url, headers, read_order(body), within_s)
        except UpstreamFailed as error:  # another provider may do better, as after an answer that is no HTTP
            raise Broken(error.message) from None

    async def _asked(
        self, send: Send, base_url: str, headers: Mapping[str, str], order: PredictionOrder, within_s: float
    ) -> UpstreamReply:
        has = await self._parameters(send, base_url, headers, order)
        deadline = self._clock.monotonic() + within_s
        made = await self._made(send, base_url, headers, order, order.body(has), within_s)
        if isinstance(made, WholeReply):
            return made
        run = _Run(self, send, base_url, headers, made.prediction.id)
        url = made.prediction.urls.stream
        try:
            if order.is_stream and url and not made.prediction.is_over:
                return await run.stream(url)
            return await run.ended(made, deadline, is_stream=order.is_stream)
        except BaseException:
            run.cancel()
            raise

    def spawn(self, work: Coroutine[object, object, None], name: str) -> None:
        """Run something to its end, whatever becomes of the request. It must have a deadline and raise nothing."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def pause(self, seconds: float) -> None:
        await self._sleep(seconds)

    def now(self) -> float:
        return self._clock.monotonic()

    async def _made(
        self,
        send: Send,
        base_url: str,
        headers: Mapping[str, str],
        order: PredictionOrder,
        body: bytes,
        within_s: float,
    ) -> _Look | WholeReply:
        """Make a prediction. A client that leaves meanwhile cancels it as soon as its id is known."""
        sent = {**headers, "cancel-after": f"{max(5, math.ceil(within_s))}s", **({} if order.is_stream else _WAIT)}
        making: asyncio.Task[_Look | WholeReply] = asyncio.get_running_loop().create_task(
            _make(send, base_url + order.path, sent, body), name="make a prediction"
        )
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            self.spawn(self._unmade(making, send, base_url, headers), "cancel a prediction being made")
            raise

    async def _unmade(
        self,
        making: "asyncio.Task[_Look | WholeReply]",
        send: Send,
        base_url: str,
        headers: Mapping[str, str],
    ) -> None:
        try:
            async with asyncio.timeout(_CANCEL_S):
                made = await making
        except (TimeoutError, WireError, UpstreamFailed):
            return
        if isinstance(made, _Look) and not made.prediction.is_over:
            await _Run(self, send, base_url, headers, made.prediction.id).cancelled()

    async def _parameters(
        self, send: Send, base_url: str, headers: Mapping[str, str], order: PredictionOrder
    ) -> Parameters:
        """Return what the model takes, asked for once an hour; a provider that does not tell, not for a minute."""
        if not order.model_path:
            return USUAL
        url, now = base_url + order.model_path, self._clock.monotonic()
        known = self._known.get(url)
        if known is not None and known[1] > now:
            return known[0]
        found: Parameters | None = None
        try:
            reply = await send("GET", url, headers, b"")
            told = await reply.read_all(_MOST_BYTES)
            found = read_parameters(told) if reply.status == 200 else None
        except WireError as error:
            _log.info("parameters_not_told", url=url, error=str(error))
        if len(self._known) >= _KNOWN_MOST:
            self._known.clear()
        has = found if found is not None else known[0] if known is not None else USUAL
        self._known[url] = has, now + (_UNKNOWN_FOR_S if found is None else _KNOWN_FOR_S)
        return has


async def _make(send: Send, url: str, headers: Mapping[str, str], body: bytes) -> _Look | WholeReply:
    reply = await send("POST", url, headers, body)
    told = await reply.read_all(_MOST_BYTES)
    if reply.status >= 300:
        refusal = WholeReply(reply.status, told, _JSON)
        refusal.headers = reply.headers
        return refusal
    prediction = read_prediction(told)
    if not _ID.fullmatch(prediction.id):
        raise UpstreamFailed("The provider's prediction has no usable id.")
    return _Look(prediction, told)


class _Run:
    """One prediction that was made."""

    def __init__(
        self, predictions: Predictions, send: Send, base_url: str, headers: Mapping[str, str], prediction_id: str
    ) -> None:
        self._predictions = predictions
        self._send = send
        self._base_url = base_url
        self._headers = headers
        # Not the addresses that the answer names: the key goes to the provider's own address only.
        self._url = f"{base_url}/predictions/{prediction_id}"

    def cancel(self) -> None:
        """Cancel it, in the background: whoever waited is gone."""
        self._predictions.spawn(self.cancelled(), "cancel a prediction")

    async def cancelled(self) -> None:
        try:
            async with asyncio.timeout(_CANCEL_S):
                try:
                    reply = await self._send("POST", f"{self._url}/cancel", self._headers, b"")
                except HungUp:  # an idle connection that was given up
                    reply = await self._send("POST", f"{self._url}/cancel", self._headers, b"")
                await reply.read_all(_MOST_BYTES)
        except (TimeoutError, WireError) as error:
            _log.warning("prediction_not_cancelled", url=self._url, error=str(error) or type(error).__name__)

    async def ended(self, look: _Look, deadline: float, *, is_stream: bool) -> UpstreamReply:
        """Return the prediction once it is over. Raises Silent at the deadline."""
        pause_s, failures = _POLL_FIRST_S, 0
        while not look.prediction.is_over:
            if self._predictions.now() + pause_s > deadline:
                raise Silent("the prediction did not end in time")
            await self._predictions.pause(pause_s)
            pause_s = min(pause_s * 1.5, _POLL_LONGEST_S)
            try:
                look = await self.looked()
                failures = 0
            except WireError:
                failures += 1
                if failures >= _POLL_FAILURES:
                    raise
        if not look.prediction.is_good:
            return WholeReply(failed_status(look.prediction), look.told, _JSON)
        if is_stream:
            return WholeReply(200, prediction_event(look.told), _EVENT_STREAM)
        return WholeReply(200, look.told, _JSON)

    async def looked(self) -> _Look:
        """Return how it stands. Raises the wire's errors, for a refusal too."""
        reply = await self._send("GET", self._url, self._headers, b"")
        told = await reply.read_all(_MOST_BYTES)
        if reply.status != 200:
            raise Broken(f"the provider answered {reply.status} when asked for a prediction")
        return _Look(read_prediction(told), told)

    async def stream(self, url: str) -> UpstreamReply:
        """Return its stream. Raises UpstreamFailed for an address that nothing may be sent to."""
        if not _is_usable(url, self._base_url):
            raise UpstreamFailed("The provider's stream has an address that the router does not ask.")
        headers = {"accept": "text/event-stream", "cache-control": "no-store"}
        if _is_own(url, self._base_url):
            headers = {**self._headers, **headers}
        reply = await self._send("GET", url, headers, b"")
        if reply.status != 200:
            reply.close()
            raise UpstreamFailed(f"The provider answered {reply.status} when asked for its stream.")
        return PredictionStream(reply, self.last_look, self.cancel, self._predictions.spawn)

    async def last_look(self) -> bytes:
        """Return the prediction as it stands after its stream; empty where that cannot be known."""
        pause_s = 0.1
        for _ in range(_POLL_FAILURES):
            try:
                look = await self.looked()
            except (WireError, UpstreamFailed):
                return b""
            if look.prediction.is_over:
                return look.told
            await self._predictions.pause(pause_s)
            pause_s *= 2
        return b""


def _is_own(url: str, base_url: str) -> bool:
    """Whether an address is the provider's own, or below it: the key goes nowhere else."""
    asked, own = urlsplit(url), urlsplit(base_url)
    host, own_host = asked.hostname or "", own.hostname or ""
    return asked.scheme == own.scheme and (host == own_host or host.endswith(f".{own_host}"))


def _is_usable(url: str, base_url: str) -> bool:
    """Whether the router follows an address: to the provider's own host, or to a named one by https."""
    host, own_host = urlsplit(url).hostname or "", urlsplit(base_url).hostname or ""
    if host == own_host:
        return _is_own(url, base_url)
    return urlsplit(url).scheme == "https" and not _ADDRESS.fullmatch(host) and "." in host

"""Passing an answer on to the client, and settling the request before its last byte goes out."""

import asyncio
from typing import Final

from roundhouse_common.contracts.usage import Outcome, UsageSource
from roundhouse_router.api.answers import Live, Whole
from roundhouse_router.api.continuing import Sequel
from roundhouse_router.api.early import AnyHeaders, stream_headers
from roundhouse_router.api.flight import Flight
from roundhouse_router.domain.chat_wire import error_words
from roundhouse_router.domain.choosing.candidate import Verdict
from roundhouse_router.domain.errors import ApiError, UpstreamFailed, UpstreamTimeout
from roundhouse_router.domain.formats import EndsItself
from roundhouse_router.domain.refusals import as_openai_error
from roundhouse_router.domain.stream import StreamScanner
from roundhouse_router.domain.tokens import TokenCounts
from roundhouse_router.reuse.sink import Sink
from roundhouse_router.wire.errors import Broken, Silent
from roundhouse_router.wire.exchange import Exchange
from roundhouse_router.wire.heads import extended
from roundhouse_router.wire.reply import ChunkSink, Reply

__all__ = ["DONE", "Pump", "last_event", "relay_live", "relay_whole"]

_TYPE: Final = b"content-type"
_ENCODING: Final = b"content-encoding"
_PASSED_ON: Final = (_TYPE, _ENCODING, b"retry-after", b"retry-after-ms")
_COMPLETED: Final = Outcome.COMPLETED
_ENGINE_FINAL: Final = UsageSource.ENGINE_FINAL
_JSON: Final = (b"content-type", b"application/json")
DONE: Final = b"data: [DONE]\n\n"


def relay_whole(flight: Flight, answer: Whole, exchange: Sink, headers: AnyHeaders) -> None:
    """Pass on an answer that came whole, also an engine's own error."""
    body, is_encoded = answer.body, _ENCODING in answer.headers
    if answer.status < 400:
        if answer.status == 200 and not is_encoded:
            body, counts = answer.course.whole(answer.status, body)
            flight.know(counts, _ENGINE_FINAL)
        flight.settle(_COMPLETED, answer.status)
    else:
        body = answer.course.error_body(answer.status, body)
        shaped = None if is_encoded else as_openai_error(answer.status, body)
        body = answer.course.refusal(answer.status, body if shaped is None else shaped)
        flight.settle(Outcome.FAILED, flight.status_sent or answer.status, f"upstream_{answer.status}")
    if flight.status_sent:  # the stream had begun: a refusal is told inside it
        dialect = flight.interface.dialect
        exchange.end(last_event(body) if dialect is None else dialect.stream_error(UpstreamFailed(error_words(body))))
        return
    exchange.answer(answer.status, extended(headers, _passed_on(answer)), body)


def _passed_on(answer: Whole) -> tuple[tuple[bytes, bytes], ...]:
    """Return what the client gets of the engine's headers."""
    told, passed = answer.headers, []
    for name in _PASSED_ON:
        if name in told:
            value = told[name]
            if value:
                passed.append((name, value))
    if answer.course.is_rewritten or answer.status >= 400:
        passed = [_JSON, *[pair for pair in passed if pair[0] != _TYPE]]
    return tuple(passed)


async def relay_live(
    flight: Flight, live: Live, exchange: Sink, headers: AnyHeaders, *, drain_s: float, sequel: Sequel | None = None
) -> None:
    """Pass on a stream, piece by piece, without a task in between. Raises ClientLeft; the upstream is closed then."""
    pump = Pump(flight, live, exchange, sequel)
    try:
        pump.start(headers)
        while await pump.run(drain_s):
            pass
    finally:
        pump.close()


class Pump(ChunkSink):
    """Moves pieces from the engine to the client; a client that takes none stops the engine's too.

    `start`, then `take` every piece and `ended`, or await `run`; `close` in the end.
    """

    __slots__ = (
        "_asked",
        "_client",
        "_exchange",
        "_flight",
        "_is_after_event",
        "_live",
        "_reader",
        "_scanner",
        "_sequel",
        "_verdict",
        "_why",
        "is_over",
    )

    def __init__(self, flight: Flight, live: Live, exchange: Sink, sequel: Sequel | None) -> None:
        self._flight = flight
        self._live = live
        self._reader = live.reader
        self._exchange = exchange
        self._sequel = sequel
        self.is_over = False
        """The client has the end of its answer."""
        self._is_after_event = False
        """A blank line was the last that was sent."""
        self._scanner: StreamScanner | None = None
        self._client: Exchange | None = None
        if sequel is None and type(self._reader) is StreamScanner and type(exchange) is Exchange:
            self._scanner, self._client = self._reader, exchange
        self._asked = flight.candidate
        """Whose stream it is; None once the chooser knows what came of it."""
        self._verdict = Verdict.ABANDONED
        self._why = ""

    def start(self, headers: AnyHeaders) -> None:
        """The first content is here: send the head, with the first piece."""
        flight, live, exchange = self._flight, self._live, self._exchange
        flight.first_token()
        if not exchange.is_started:
            flight.status_sent = 200
            kind = live.course.stream_type(live.reply.headers.get(b"content-type", b""))
            exchange.start(200, stream_headers(flight, headers, kind))

    def close(self) -> None:
        """Tell what became of the engine's stream, and let go of it."""
        if not self._flight.is_settled:
            self._flight.know(self._counts(), UsageSource.ENGINE_RUNNING)
        self._tell(self._verdict)
        self._live.reply.close()

    def take(self, piece: bytes) -> None:
        """Send what may go out of one piece; the end is sent once it is seen, however long the engine keeps on."""
        if self._sequel is not None and not self.is_over:
            piece = self._sequel.hear(piece)
        self.pass_on(piece)

    def pass_on(self, piece: bytes) -> None:
        """`take` for a stream without a sequel."""
        if self.is_over:
            return
        try:
            out = self._reader.feed(piece)
        except UpstreamFailed as error:
            self.fail(error)
            self._live.reply.close()  # whatever else it would say is for nobody
            return
        if self._reader.is_done or self._reader.has_error:
            self._wind_up(out)
        elif out:
            self._is_after_event = out.endswith(b"\n\n")
            self._exchange.write(out)

    @property
    def chunks(self) -> ChunkSink | None:
        """Itself, if chunks may go from the engine to the client as they are framed; then `take_chunk` may stand for
        `take`."""
        return self if self._client is not None else None

    def take_chunk(self, chunk: bytes, begin: int) -> None:
        """`take` for a chunk that came whole."""
        scanner, client = self._scanner, self._client
        if scanner is None or client is None or self.is_over or not scanner.passes(chunk, begin, len(chunk) - 2):
            self.pass_on(chunk[begin:-2])
            return
        self._is_after_event = chunk.endswith(b"\n\n\r\n")
        client.write_chunk(chunk, begin)

    def _wind_up(self, out: bytes) -> None:
        """The engine said that its answer ends, well or by an error; after one it may hold the connection open."""
        try:
            last = out + self._reader.finish()
        except UpstreamFailed as error:
            if out:
                self._exchange.write(out)
            self.fail(error)
            self._live.reply.close()
            return
        if self._reader.is_done:
            self._finish(last if last.endswith(b"\n") else last + b"\n\n")
            return
        self._finish(last if last.endswith(b"\n\n") else last + b"\n\n")
        self._live.reply.close()

    async def run(self, drain_s: float) -> bool:
        """Return when the engine has ended its answer, or a moment after the client has all of it; or true: another
        engine goes on."""
        self.take_first()
        reply = self._live.reply
        ended = reply.pump(self.take, self.chunks) if isinstance(reply, Reply) else reply.pump(self.take)
        if not self._exchange.is_writable:
            self._live.reply.pause()
        failure: Exception | None = None
        try:
            if self.is_over:
                async with asyncio.timeout(drain_s):
                    await ended
            else:
                await ended
        except TimeoutError:
            return False
        except (UpstreamFailed, Silent, Broken) as error:
            failure = error
        told = self.ended(failure)
        return told is not None and await self._broken(told)

    def take_first(self) -> None:
        """Send what is here already, and let the client's pace be the engine's from now on."""
        reply, exchange = self._live.reply, self._exchange
        exchange.on_paused, exchange.on_drained = reply.pause, reply.resume
        for piece in self._live.first:
            self.take(piece)

    def ended(self, error: Exception | None) -> ApiError | None:
        """The engine's stream is over. Return what it broke off with; the client has not been told of that yet."""
        try:
            if error is not None:
                raise error
            self._end()
        except UpstreamFailed as failure:
            self.fail(failure)
        except Silent:
            return UpstreamTimeout("The engine fell silent in the middle of its answer.")
        except Broken:
            return UpstreamFailed("The engine broke off in the middle of its answer.")
        finally:
            if error is not None:
                error.__traceback__ = None  # it holds frames, which hold the answer, which holds the error
        return None

    async def _broken(self, error: ApiError) -> bool:
        """Have another engine go on, or end the stream with the error."""
        if self._sequel is None or self.is_over:
            self.fail(error)
            return False
        self._why = error.error_code
        self._tell(Verdict.FAILED)
        self._live.reply.close()
        following = await self._sequel.next(self._reader.so_far())
        if following is None:
            self.fail(error)
            return False
        self._live, self._asked = following, self._flight.candidate
        return True

    def _tell(self, verdict: Verdict) -> None:
        asked, self._asked = self._asked, None
        if asked is not None:
            self._flight.tried(asked, verdict, why=self._why)

    def _counts(self) -> TokenCounts | None:
        counts = self._reader.so_far()
        if self._sequel is None or self._reader.usage is not None:
            return counts
        return self._sequel.total(counts)

    def _end(self) -> None:
        """The engine ended its answer, with or without saying so inside it."""
        if self.is_over:
            return
        if self._sequel is not None and (rest := self._sequel.rest()):
            self.pass_on(rest)
        last = self._reader.finish()
        if self._live.course.ends_with_done and not (self._reader.is_done or self._reader.has_error):
            last += DONE if (last.endswith(b"\n\n") if last else self._is_after_event) else b"\n\n" + DONE
        self._finish(last)

    def _finish(self, last: bytes) -> None:
        if self.is_over:
            return
        flight, reader = self._flight, self._reader
        self.is_over = True
        is_final = reader.usage is not None
        flight.know(self._counts(), UsageSource.ENGINE_FINAL if is_final else UsageSource.ENGINE_RUNNING)
        if reader.has_error:
            self._verdict, self._why = Verdict.FAILED, UpstreamFailed.code
            flight.settle(Outcome.FAILED, 200, UpstreamFailed.code)
        else:
            self._verdict = Verdict.OK
            flight.settle(Outcome.COMPLETED, 200)
        self._exchange.end(last)

    def fail(self, error: ApiError) -> None:
        """End the stream with the error."""
        if self.is_over:
            return
        self.is_over = True
        self._verdict, self._why = Verdict.FAILED, error.error_code
        flight = self._flight
        flight.know(self._counts(), UsageSource.ENGINE_RUNNING)
        flight.settle(Outcome.FAILED, 200, error.error_code)
        if not self._live.course.tells_errors:
            self._exchange.give_up()
            return
        told = self._reader.fail(error) if isinstance(self._reader, EndsItself) else b""
        self._exchange.end(told or stream_error(flight, error))


def last_event(body: bytes) -> bytes:
    """A whole answer as the only event, and the end: the SDKs raise on an error, others see that nothing more comes."""
    return b"data: " + body.replace(b"\n", b" ") + b"\n\n" + DONE


def stream_error(flight: Flight, error: ApiError) -> bytes:
    """Return the end of a stream that fails: the SDKs raise on an error event, where a missing end would pass for an
    answer."""
    dialect = flight.interface.dialect
    return b"\n\ndata: " + error.body() + b"\n\n" if dialect is None else dialect.stream_error(error)

"""One admitted request on the fast path: asked, answered and settled by callbacks.

chosen ── asked ── whole ───────────────────> settled, answered
             └──── beginning ── passing ────> settled, ended
Whatever else happens is handed over to the pipeline, with the attempt as it stands.
"""

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from roundhouse_common.contracts.routing import ProviderFormat
from roundhouse_common.contracts.usage import Outcome
from roundhouse_router.api.answers import Live, Whole
from roundhouse_router.api.attempt import STARTUP_BYTES, STARTUP_PIECES, First
from roundhouse_router.api.attempts import Attempts
from roundhouse_router.api.course import Course, course_to
from roundhouse_router.api.edge import answered
from roundhouse_router.api.flight import CLIENT_LEFT_STATUS, Flight
from roundhouse_router.api.pipeline import Pipeline
from roundhouse_router.api.relay import Pump, relay_whole
from roundhouse_router.api.upstreams import Upstreams
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_router.domain.choosing.candidate import Candidate, Verdict
from roundhouse_router.domain.choosing.choice import Choice
from roundhouse_router.domain.choosing.chooser import Chooser
from roundhouse_router.domain.demand import DemandLedger
from roundhouse_router.domain.errors import ApiError
from roundhouse_router.domain.formats import UpstreamFormat
from roundhouse_router.settings import RouterSettings
from roundhouse_router.wire.errors import TooLarge, WireError
from roundhouse_router.wire.exchange import Exchange
from roundhouse_router.wire.heads import Lines
from roundhouse_router.wire.reply import Reply
from roundhouse_router.wire.upstream import Awaited, Listener, UpstreamConnection

__all__ = ["FastAnswer", "Shared"]


class Shared:
    """What all of them use."""

    def __init__(
        self,
        *,
        control_plane: ControlPlane,
        pipeline: Pipeline,
        attempts: Attempts,
        chooser: Chooser,
        upstreams: Upstreams,
        ledger: DemandLedger,
        settings: RouterSettings,
        now: Callable[[], float],
    ) -> None:
        self.control_plane = control_plane
        self.pipeline = pipeline
        self.attempts = attempts
        self.chooser = chooser
        self.upstreams = upstreams
        self.ledger = ledger
        self.now = now
        self.first_byte_s = settings.first_byte_timeout_s
        self.idle_s = settings.idle_timeout_s
        self.drain_s = settings.drain_answer_s
        self.comment_s = settings.keep_alive_comment_s
        self.max_response_bytes = settings.max_response_bytes
        self.silent: dict[FastAnswer, float] = {}
        """Streams that have not begun, the oldest first, with when their clients are to hear something."""

    def hand_over_late(self) -> None:
        """Hand over those whose time has come."""
        now = self.now()
        late = []
        for answer, due in self.silent.items():
            if due > now:
                break
            late.append(answer)
        for answer in late:
            answer.hand_over(is_late=True)


_NO_FORMATS: Final[Mapping[ProviderFormat, UpstreamFormat]] = MappingProxyType({})
"""Engines of ours only."""
_CHOSEN: Final = 0
"""Nothing was sent."""
_ASKED: Final = 1
"""An attempt is under way, and counts for the retry budget."""
_PASSING: Final = 2
"""The pump has the stream, and tells what becomes of it."""
_HANDED_OVER: Final = 3
_OVER: Final = 4


class FastAnswer(Listener):
    """Listens to the connection that the request went out on. The `Sent` of the pipeline, once handed over."""

    __slots__ = (
        "_awaited",
        "_candidate",
        "_choice",
        "_connection",
        "_error",
        "_exchange",
        "_flight",
        "_headers",
        "_held",
        "_pieces",
        "_pump",
        "_reply",
        "_shared",
        "_stage",
        "course",
    )
    course: Course
    _candidate: Candidate
    _choice: Choice
    _connection: UpstreamConnection
    _pump: Pump

    def __init__(self, shared: Shared, flight: Flight, exchange: Exchange, headers: Lines) -> None:
        self._shared = shared
        self._flight = flight
        self._exchange = exchange
        self._headers = headers
        self._stage = _CHOSEN
        self._reply: Reply | None = None
        self._error: Exception | None = None
        self._awaited: Awaited | None = None
        self._pieces: list[bytes] = []
        self._held = 0

    def begin(self) -> None:
        """Ask an engine, if one is ready that a connection is open to."""
        self._exchange.on_left = self.left
        try:
            self._begin()
        except Exception as error:  # noqa: BLE001 - whatever it is, the flight must be settled, and the client told
            self._fail(error)

    def _begin(self) -> None:
        shared, flight = self._shared, self._flight
        now = shared.now()
        try:
            choice = shared.chooser.begin(shared.control_plane.table, flight.resolution, flight.facts, now)
            candidate = choice.next(now)
        except ApiError:
            candidate = None
        if candidate is None or candidate.endpoint is None or candidate.deployment is None:
            self._hand_over(None)
            return
        self._choice, self._candidate = choice, candidate
        self.course = course_to(flight.interface, flight.request, candidate, _NO_FORMATS)
        connection = shared.upstreams.ask_at_once(
            candidate.endpoint,
            self.course,
            self,
            flight.request_id,
            flight.facts.headers,
            shared.first_byte_s,
        )
        flight.asks_upstream(shared.ledger.of(candidate.deployment.deployment_id))
        flight.tries(candidate)  # at once: others choose before a task has connected
        if connection is None:
            self._hand_over(First(choice, candidate, None))
            return
        self._connection = connection
        self._stage = _ASKED
        shared.attempts.begin()
        if flight.request.is_stream and shared.comment_s:
            shared.silent[self] = now + shared.comment_s

    # The connection's side

    def answered(self, reply: Reply) -> None:
        """The engine has begun to answer."""
        self._reply = reply
        if self._stage == _ASKED:
            try:
                self._answered(reply)
            except Exception as error:  # noqa: BLE001 - as in `begin`
                self._fail(error)
        elif self._awaited is not None:
            self._awaited.answered(reply)

    def failed(self, error: WireError) -> None:
        """The engine will not answer."""
        self._error = error
        if self._stage == _ASKED:
            self._hand_over_sent()
        elif self._awaited is not None:
            self._awaited.failed(error)

    def _answered(self, reply: Reply) -> None:
        if reply.status >= 400:
            self._hand_over_sent()
        elif self.course.is_live(reply.status, reply.headers.get(b"content-type", b"")):
            reply.pour(self._take_beginning, self._ended_early)
        elif (body := reply.whole) is not None:
            self._finish(reply, body)
        else:
            reply.pour(self._gather, self._gathered)

    # An answer that comes whole

    def _gather(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._held += len(piece)
        if self._held > self._shared.max_response_bytes and self._reply is not None:
            self._error = TooLarge(f"the answer is larger than {self._shared.max_response_bytes} bytes")
            self._reply.close()

    def _gathered(self, error: Exception | None) -> None:
        if self._stage != _ASKED:
            return
        self._error = self._error or error
        if self._error is not None or self._reply is None:
            self._hand_over_sent()
            return
        try:
            self._finish(self._reply, b"".join(self._pieces))
        except Exception as defect:  # noqa: BLE001 - as in `begin`
            self._fail(defect)

    def _finish(self, reply: Reply, body: bytes) -> None:
        shared, flight = self._shared, self._flight
        self._over()
        shared.attempts.succeeded(flight)
        answer = Whole(reply.status, reply.headers, body, self.course)
        relay_whole(flight, answer, self._exchange, self._headers)

    # A stream

    def _take_beginning(self, piece: bytes) -> None:
        """Hold the beginning back until there is content: another engine may still be asked."""
        pieces, reply = self._pieces, self._reply
        assert reply is not None
        if self._stage != _ASKED:
            return
        pieces.append(piece)
        self._held += len(piece)
        if self.course.has_content(piece):
            self._pass_on(reply)
        elif len(pieces) >= STARTUP_PIECES or self._held > STARTUP_BYTES or b"error" in piece:
            reply.take_back(pieces)
            self._hand_over_sent()

    def _ended_early(self, error: Exception | None) -> None:
        if self._stage != _ASKED or self._reply is None:
            return
        if error is not None and not isinstance(error, WireError):  # a defect of ours
            self._fail(error)
            return
        self._reply.take_back(self._pieces)
        self._hand_over_sent()

    def _pass_on(self, reply: Reply) -> None:
        """Give the stream to the pump."""
        shared, flight = self._shared, self._flight
        shared.silent.pop(self, None)
        shared.attempts.end(flight)
        live = Live(reply, self._pieces, self.course, self.course.stream())
        self._pump = pump = Pump(flight, live, self._exchange, None)
        self._stage = _PASSING
        pump.start(self._headers)
        pump.take_first()
        reply.idle_timeout(shared.drain_s if pump.is_over else shared.idle_s)
        reply.pour(pump.pass_on, self._passed, pump.chunks)
        if not self._exchange.is_writable:
            reply.pause()

    def _passed(self, error: Exception | None) -> None:
        """The engine's stream is over."""
        if self._stage != _PASSING:
            return
        try:
            told = self._pump.ended(error)
            if told is not None:
                self._pump.fail(told)
            self._over()
            self._pump.close()
        except Exception as defect:  # noqa: BLE001 - as in `begin`
            self._fail(defect)

    # What is not common

    def left(self, reason: str) -> None:
        """The client has left, or the router stops."""
        self._let_go()
        flight = self._flight
        flight.settle(Outcome.ABORTED, flight.status_sent or CLIENT_LEFT_STATUS, reason)

    def hand_over(self, *, is_late: bool) -> None:
        """Have a task go on waiting for the engine."""
        if self._stage != _ASKED:
            return
        if self._reply is not None:
            self._reply.take_back(self._pieces)
        self._hand_over_sent(is_late=is_late)

    async def reply(self) -> Reply:
        """Return what `Client.send` would return, or raise what it would raise."""
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # it holds this frame
        if self._reply is not None:
            return self._reply
        self._awaited = Awaited(asyncio.get_running_loop())
        try:
            return await self._awaited.future
        except asyncio.CancelledError:
            self._close()
            raise

    def _hand_over_sent(self, *, is_late: bool = False) -> None:
        self._shared.attempts.end(self._flight)
        self._hand_over(First(self._choice, self._candidate, self, is_late))

    def _hand_over(self, first: First | None) -> None:
        flight, headers, shared = self._flight, list(self._headers), self._shared
        self._stage = _HANDED_OVER if first is not None and first.sent is not None else _CHOSEN
        shared.silent.pop(self, None)
        self._exchange.continue_by(
            lambda exchange: answered(
                exchange, flight.interface, headers, shared.pipeline.go_on(flight, exchange, headers, first)
            )
        )

    def _fail(self, error: Exception) -> None:
        """Have a task settle the request and tell the client."""
        flight, exchange, pipeline = self._flight, self._exchange, self._shared.pipeline
        headers = list(self._headers)
        self._let_go()
        exchange.on_left = self.left
        exchange.continue_by(
            lambda exchange: answered(exchange, flight.interface, headers, pipeline.fail(flight, exchange, error))
        )

    def _let_go(self) -> None:
        """Give up what was asked of the engine."""
        stage = self._stage
        self._over()
        if stage in (_ASKED, _HANDED_OVER):
            self._close()
            self._flight.tried(self._candidate, Verdict.ABANDONED)
            if stage == _ASKED:
                self._shared.attempts.end(self._flight)
        elif stage == _CHOSEN and self._flight.is_trying:
            self._flight.tried(self._candidate, Verdict.ABANDONED)
        elif stage == _PASSING:
            self._pump.close()

    def _close(self) -> None:
        if self._reply is not None:
            self._reply.close()
        else:
            self._connection.give_up()

    def _over(self) -> None:
        self._stage = _OVER
        self._exchange.on_left = None
        self._shared.silent.pop(self, None)

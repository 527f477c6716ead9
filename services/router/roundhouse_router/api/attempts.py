"""Getting an answer out of some endpoint: choose, ask, and ask another one while nothing has reached the client."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.routing import ProviderFormat
from roundhouse_common.contracts.usage import Operation
from roundhouse_router.api.answers import Live, Whole
from roundhouse_router.api.attempt import (
    FAILURES,
    STARTUP_BYTES,
    STARTUP_PIECES,
    Failed,
    First,
    Sent,
    fallback_for,
    passed,
)
from roundhouse_router.api.course import Course, course_to
from roundhouse_router.api.early import Early
from roundhouse_router.api.flight import Flight
from roundhouse_router.api.interfaces import CHAT
from roundhouse_router.api.media_course import MediaAsked, media_course
from roundhouse_router.api.upstreams import Upstreams
from roundhouse_router.api.waiting import Waiting
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_router.domain.choosing.candidate import Candidate, Verdict
from roundhouse_router.domain.choosing.choice import Choice
from roundhouse_router.domain.choosing.chooser import Chooser
from roundhouse_router.domain.demand import DemandLedger
from roundhouse_router.domain.errors import (
    ApiError,
    BadBody,
    BodyTooLarge,
    ModelNotFound,
    PermissionDenied,
    UpstreamFailed,
    UpstreamTimeout,
)
from roundhouse_router.domain.features import check_served
from roundhouse_router.domain.formats import UpstreamFormat
from roundhouse_router.domain.refusals import rest_of
from roundhouse_router.domain.request import ParsedRequest, parse
from roundhouse_router.domain.retries import RetryBudget
from roundhouse_router.domain.routing import resolve
from roundhouse_router.domain.startup import error_told
from roundhouse_router.formats.reply import UpstreamReply
from roundhouse_router.metrics import RouterMetrics
from roundhouse_router.providers.errors import CredentialsExhausted, ProviderLimited
from roundhouse_router.settings import RouterSettings
from roundhouse_router.wire.errors import Broken, ConnectFailed, HungUp, Silent, TooLarge

__all__ = ["Attempts"]

_KEYS: Final = "keys"
"""None of a provider's keys may be used now."""
_LOST: Final = frozenset(("connect", "hangup", "broken"))
"""The engine is gone, and works on nothing: to go on elsewhere adds no load. Of two engines that is half of all."""


class Attempts:
    """Shared by all requests."""

    def __init__(
        self,
        *,
        control_plane: ControlPlane,
        upstreams: Upstreams,
        chooser: Chooser,
        formats: Mapping[ProviderFormat, UpstreamFormat],
        waiting: Waiting,
        ledger: DemandLedger,
        settings: RouterSettings,
        now: Callable[[], float],
        metrics: RouterMetrics,
    ) -> None:
        self._control_plane = control_plane
        self._upstreams = upstreams
        self._chooser = chooser
        self._formats = formats
        self._waiting = waiting
        self._ledger = ledger
        self._settings = settings
        self._now = now
        self._metrics = metrics
        self.budget = RetryBudget(share=settings.retry_share, at_least=settings.retries_at_least)

    async def answer(
        self, flight: Flight, headers: Mapping[bytes, bytes], early: Early | None, first: First | None = None
    ) -> Whole | Live:
        """Return the first answer that is worth passing on. Raises ApiError: nobody was ready, or the last failure.

        The request goes to the route's targets, and when they fail for a reason that the route has a fallback for, to
        that route's.
        """
        self.begin()
        try:
            if not flight.resolution.route.fallbacks:
                return passed(await self._over_endpoints(flight, headers, early, first))
            return passed(await self._over_routes(flight, headers, early, first))
        finally:
            self.end(flight)

    def begin(self) -> None:
        """A request waits for its answer from now on; until `end`."""
        self.budget.in_flight += 1

    def end(self, flight: Flight) -> None:
        self.budget.in_flight -= 1
        if flight.is_retrying:
            flight.is_retrying = False
            self.budget.release()

    async def _over_routes(
        self, flight: Flight, headers: Mapping[bytes, bytes], early: Early | None, first: First | None
    ) -> Whole | Live:
        fallbacks = flight.resolution.route.fallbacks
        answer: Whole | Live | ApiError = await self._outcome(flight, headers, early, first)
        tried = {flight.resolution.route.name}
        for fallback in fallbacks:
            reason = None if isinstance(answer, Live) else fallback_for(answer)
            if reason is None:
                break
            if fallback.reason is not reason or fallback.route in tried:
                continue
            tried.add(fallback.route)
            try:
                flight.resolution = resolve(self._control_plane.table, flight.key, fallback.route)
            except (ModelNotFound, PermissionDenied):
                continue
            self._metrics.fallbacks.labels(reason.value).inc()
            answer = await self._outcome(flight, headers, early)
        if isinstance(answer, ApiError):
            raise answer
        return answer

    async def _outcome(
        self, flight: Flight, headers: Mapping[bytes, bytes], early: Early | None, first: First | None = None
    ) -> Whole | Live | ApiError:
        try:
            return await self._over_endpoints(flight, headers, early, first)
        except ApiError as error:
            return error

    async def _over_endpoints(
        self, flight: Flight, headers: Mapping[bytes, bytes], early: Early | None, first: First | None
    ) -> Whole | Live:
        found, sent = (self._found(flight), None) if first is None else (first[:2], first.sent)
        if found is None:
            found = await self._waiting.room(flight, lambda: self._found(flight), lambda: self._is_full(flight), early)
        choice, candidate = found
        deployment = candidate.deployment
        if deployment is not None and not flight.attempts:
            flight.asks_upstream(self._ledger.of(deployment.deployment_id))
        hung_up: Candidate | None = None
        attempts = flight.resolution.route.retries.max_attempts or self._settings.max_attempts
        made = 0
        while True:
            made += 1
            answer = await self._attempt(flight, headers, candidate, is_fresh=hung_up is candidate, sent=sent)
            sent = None
            if not isinstance(answer, Failed):
                if isinstance(answer, Live) or not self._is_failure(flight, answer):
                    return answer
            elif answer.kind == "hangup" and hung_up is not candidate:
                hung_up = candidate
                made -= 1
                continue  # perhaps only an idle connection that was given up; if the engine is gone that fails at once
            is_free = isinstance(answer, Failed) and answer.kind == _KEYS
            made -= is_free  # nobody has to bear it: neither an attempt nor a retry
            choice.table = self._control_plane.table  # who died may have been replaced meanwhile
            following = choice.next(self._now())
            is_lost = isinstance(answer, Failed) and answer.kind in _LOST
            if following is None or not (is_free or (made < attempts and (is_lost or self._may_retry(flight)))):
                if isinstance(answer, Failed):
                    try:
                        raise answer.error
                    finally:
                        del answer  # the error holds this frame
                return answer
            candidate = following

    async def go_on(
        self, flight: Flight, headers: Mapping[bytes, bytes], body_for: Callable[[EngineKind], bytes | None]
    ) -> Live | None:
        """Have another engine go on with a stream whose engine died; None: there is none that does.

        `body_for` says what an engine is to be sent, and None for one that cannot go on.
        """
        self.budget.in_flight += 1
        try:
            return await self._go_on(flight, headers, body_for)
        finally:
            self.end(flight)

    async def _go_on(
        self, flight: Flight, headers: Mapping[bytes, bytes], body_for: Callable[[EngineKind], bytes | None]
    ) -> Live | None:
        dead = flight.candidate
        choice = self._chooser.begin(self._control_plane.table, flight.resolution, flight.facts, self._now())
        is_lost = True
        for _ in range(self._settings.max_attempts):
            candidate = choice.next(self._now())
            if candidate is None or not (is_lost or self._may_retry(flight)):
                return None
            endpoint = candidate.endpoint
            body = None if endpoint is None else body_for(endpoint.engine)
            if body is None or (dead is not None and candidate.endpoint_id == dead.endpoint_id):
                continue
            rest = parse(body, Operation.CHAT)
            answer = await self._attempt(flight, headers, candidate, is_fresh=True, rest=rest)
            if isinstance(answer, Live):
                return answer
            is_lost = isinstance(answer, Failed) and answer.kind in _LOST
            if isinstance(answer, Whole):
                self._is_failure(flight, answer)
        return None

    def _found(self, flight: Flight) -> tuple[Choice, Candidate] | None:
        """Return where the request can go by the table of this moment; None: nowhere yet.

        Raises EndpointNotServed: the engine that came up while the request was held may be another one.
        """
        if self._is_full(flight):
            return None
        table, now = self._control_plane.table, self._now()
        choice = self._chooser.begin(table, flight.resolution, flight.facts, now)
        candidate = choice.next(now)
        if candidate is not None:
            return choice, candidate
        interface = flight.interface
        check_served(
            table.deployments,
            flight.resolution.targets,
            interface.features,
            path=interface.path,
            model=flight.request.model,
        )
        return None

    def _is_full(self, flight: Flight) -> bool:
        """Whether every endpoint has as many requests as it may have, on a route whose requests wait for room."""
        if not flight.resolution.route.queue.max_waiting:
            return False
        return self._chooser.is_full(self._control_plane.table, flight.resolution, flight.facts, self._now())

    def _may_retry(self, flight: Flight) -> bool:
        if not flight.is_retrying:
            flight.is_retrying = self.budget.take()
            if not flight.is_retrying:
                self._metrics.retries_refused.inc()
        return flight.is_retrying

    def succeeded(self, flight: Flight) -> None:
        """The fast path has an answer that is worth passing on."""
        assert flight.candidate is not None
        flight.tried(flight.candidate, Verdict.OK)
        self.end(flight)

    def _is_failure(self, flight: Flight, answer: Whole) -> bool:
        """Whether another endpoint may do better. Tells the chooser of this one."""
        assert flight.candidate is not None
        if answer.status in FAILURES:
            self._metrics.upstream_error("status")
            flight.tried(flight.candidate, Verdict.FAILED, why=f"status-{answer.status}")
            return True
        if answer.status == 429:
            self._metrics.upstream_error("busy")
            flight.tried(flight.candidate, Verdict.BUSY, "", rest_of(answer.headers))
            return flight.resolution.route.retries.is_429_retried
        flight.tried(flight.candidate, Verdict.CLIENT if answer.status >= 400 else Verdict.OK)
        return False

    async def _attempt(
        self,
        flight: Flight,
        headers: Mapping[bytes, bytes],
        candidate: Candidate,
        *,
        is_fresh: bool,
        rest: ParsedRequest | None = None,
        sent: Sent | None = None,
    ) -> Whole | Live | Failed:
        """Ask one endpoint, with one provider's key after the other; for `rest` instead of the request if it is given,
        in OpenAI's API."""
        asked = flight.request
        if sent is not None:
            course = sent.course
        elif isinstance(asked, MediaAsked):
            course = media_course(flight.interface, asked, candidate, self._formats)
        elif rest is not None:
            course = course_to(CHAT, rest, candidate, self._formats)
        else:
            course = course_to(flight.interface, asked, candidate, self._formats)
        is_over = False
        if not flight.is_trying:  # the fast path has counted the first one
            flight.tries(candidate)
        try:
            answer = await self._ask(flight, headers, candidate, course, is_fresh=is_fresh, sent=sent)
            is_over = True
            return answer
        except Failed as failure:
            is_over = True
            flight.tried(candidate, failure.verdict, why=failure.kind)
            self._metrics.upstream_error(failure.kind)
            return failure
        except (CredentialsExhausted, ProviderLimited) as error:
            if isinstance(error, ProviderLimited) and not flight.resolution.route.retries.is_429_retried:
                raise
            is_over = True
            flight.tried(candidate, Verdict.ABANDONED)  # its keys rest by themselves, each for as long as it must
            self._metrics.upstream_error(error.error_code)
            return Failed(_KEYS, error)
        except (BadBody, BodyTooLarge):  # an upload that turned out wrong on its way
            is_over = True
            flight.tried(candidate, Verdict.CLIENT)
            raise
        except ApiError as error:
            is_over = True
            flight.tried(candidate, Verdict.FAILED, why=error.error_code)
            self._metrics.upstream_error(error.error_code)
            raise
        finally:
            if not is_over:  # the client left, or a defect: says nothing of the endpoint
                flight.tried(candidate, Verdict.ABANDONED)

    async def _ask(
        self,
        flight: Flight,
        headers: Mapping[bytes, bytes],
        candidate: Candidate,
        course: Course,
        *,
        is_fresh: bool,
        sent: Sent | None,
    ) -> Whole | Live:
        timeouts = flight.resolution.route.timeouts
        first_byte_s = timeouts.first_token_s or self._settings.first_byte_timeout_s
        idle_s = timeouts.idle_s or self._settings.idle_timeout_s
        began = self._now()
        try:
            asking = (
                sent.reply()
                if sent is not None
                else self._upstreams.ask(
                    candidate,
                    course,
                    request_id=flight.request_id,
                    headers=headers,
                    is_fresh=is_fresh,
                    first_byte_s=first_byte_s,
                )
            )
            reply = await asking
            try:
                if not (timeouts.first_token_s and flight.request.is_stream):
                    return await self._read(reply, course, idle_s)
                async with asyncio.timeout(began + timeouts.first_token_s - self._now()):  # comments are no token
                    return await self._read(reply, course, idle_s)
            except BaseException:
                reply.close()
                raise
        except ConnectFailed:
            raise Failed("connect", UpstreamFailed("The engine cannot be reached.")) from None
        except HungUp:
            raise Failed("hangup", UpstreamFailed("The engine closed the connection before it answered.")) from None
        except (Silent, TimeoutError):
            late = UpstreamTimeout("The engine did not begin to answer in time.")
            if timeouts.first_token_s:
                raise Failed("silence", late) from None
            raise late from None
        except Broken:
            raise Failed("broken", UpstreamFailed("The engine broke off its answer.")) from None
        except TooLarge:
            raise UpstreamFailed("The engine's answer is larger than the router passes on.") from None

    async def _read(self, reply: UpstreamReply, course: Course, idle_s: float) -> Whole | Live:
        """Read a stream up to its first content, or all of anything else."""
        if not course.is_live(reply.status, reply.headers.get(b"content-type", b"")):
            body = await reply.read_all(self._settings.max_response_bytes)
            return Whole(course.status(reply.status), reply.headers, body, course)
        first, size = list[bytes](), 0
        while True:
            piece = await reply.read()
            try:
                has_content = course.has_content(piece)
            except UpstreamFailed as error:
                raise Failed("stream_error", error) from None
            if not piece and not has_content:
                raise Failed("empty", UpstreamFailed("The engine ended its stream without a word."))
            first.append(piece)
            size += len(piece)
            if has_content or size > STARTUP_BYTES or len(first) >= STARTUP_PIECES:
                break
            if b"error" in piece and (words := error_told(b"".join(first))) is not None:
                raise Failed("stream_error", UpstreamFailed(words))
        reply.idle_timeout(idle_s)
        return Live(reply, first, course, course.stream())

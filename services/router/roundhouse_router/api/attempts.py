"""Getting an answer out of some endpoint: pick, ask, and ask another one while nothing has reached the client."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.runtime import Clock
from roundhouse_router.api.flight import Flight
from roundhouse_router.api.holding import Holding, Waiting
from roundhouse_router.api.upstream import Upstream
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_router.domain.balancing import Balancer, Candidate, Resting, RetryBudget, pick_target
from roundhouse_router.domain.defaults import NOTHING_ADDED, added_by
from roundhouse_router.domain.demand import DemandLedger
from roundhouse_router.domain.engines import OLD_LIMIT_ONLY, RIGHT_USAGE, RUNNING, Running
from roundhouse_router.domain.errors import ApiError, UpstreamFailed, UpstreamRefusedUs, UpstreamTimeout
from roundhouse_router.domain.features import check_served
from roundhouse_router.domain.request import outgoing
from roundhouse_router.metrics import RouterMetrics
from roundhouse_router.settings import RouterSettings

__all__ = ["Attempts", "Live", "Whole"]

_HANGUPS: Final = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientConnectionResetError)
_REFUSED: Final = frozenset((401, 403))
_RETRYABLE: Final = frozenset((500, 502, 503, 504)) | _REFUSED
"""Another replica may do better. 501 says the same everywhere; 4xx are the request's fault."""


@dataclass(frozen=True, slots=True)
class Whole:
    """An answer that is here to its last byte."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Live:
    """A stream of which the first bytes are here. Whoever gets it closes the response."""

    response: aiohttp.ClientResponse
    first: bytes
    running: Running | None
    moves_usage: bool
    """It is not known that the engine puts usage where OpenAI has it."""


_HANGUP: Final = "hangup"
"""The engine closed the connection without a word: perhaps only an idle connection that it gave up."""


class _Failed(Exception):
    """One attempt came to nothing, and another may be made."""

    def __init__(self, kind: str, error: ApiError) -> None:
        super().__init__(kind)
        self.kind = kind
        self.error = error


class Attempts:
    """Shared by all requests; it holds the balancer's state."""

    def __init__(
        self,
        *,
        control_plane: ControlPlane,
        upstream: Upstream,
        balancer: Balancer,
        resting: Resting,
        holding: Holding,
        ledger: DemandLedger,
        draw: Callable[[], float],
        settings: RouterSettings,
        clock: Clock,
        metrics: RouterMetrics,
    ) -> None:
        self._control_plane = control_plane
        self._upstream = upstream
        self._balancer = balancer
        self._resting = resting
        self._holding = holding
        self._ledger = ledger
        self._draw = draw
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self.budget = RetryBudget(share=settings.retry_share, at_least=settings.retries_at_least)

    async def answer(
        self, flight: Flight, path: str, headers: dict[str, str], waiting: Waiting | None = None
    ) -> Whole | Live:
        """Return the first answer that is worth passing on. Raises ApiError: nobody was ready, or the last failure.

        While there is no replica, `waiting` is told now and then to say so to the client.
        """
        candidates = await self._candidates(flight, waiting)
        self.budget.in_flight += 1
        try:
            return await self._first_good(flight, path, headers, deque(candidates))
        finally:
            self.budget.in_flight -= 1
            if flight.is_retrying:
                self.budget.release()

    async def _first_good(
        self, flight: Flight, path: str, headers: dict[str, str], queue: deque[Candidate]
    ) -> Whole | Live:
        hung_up = set[str]()
        while True:
            candidate = queue.popleft()
            replica_id = candidate.endpoint.replica_id
            answer: Whole | Live | _Failed
            try:
                answer = await self._try(flight, path, headers, candidate, is_fresh=replica_id in hung_up)
            except _Failed as failure:
                answer = failure
                if failure.kind == _HANGUP and replica_id not in hung_up:
                    hung_up.add(replica_id)
                    queue.appendleft(candidate)  # on a new connection; if the engine is gone that fails at once
                else:
                    self._resting.failed(replica_id, self._clock.monotonic())
                self._metrics.upstream_error(failure.kind)
            else:
                if isinstance(answer, Live) or answer.status not in _RETRYABLE:
                    self._resting.succeeded(replica_id)
                    return answer
                self._resting.failed(replica_id, self._clock.monotonic())
                self._metrics.upstream_error("status")
            if not queue or not self._may_retry(flight):
                return _last_word(answer)

    def _may_retry(self, flight: Flight) -> bool:
        if flight.attempts >= self._settings.max_attempts:
            return False
        if not flight.is_retrying:
            flight.is_retrying = self.budget.take()
            if not flight.is_retrying:
                self._metrics.retries_refused.inc()
        return flight.is_retrying

    async def _candidates(self, flight: Flight, waiting: Waiting | None) -> list[Candidate]:
        """Return where to try, best first; wait for a ready replica. Raises NoReadyReplica."""
        found, waited_s = self._ordered(flight), 0.0
        if not found:
            began = self._clock.monotonic()
            found = await self._holding.hold(flight, lambda: self._ordered(flight), waiting)
            waited_s = self._clock.monotonic() - began
        flight.asks_upstream(self._ledger.of(found[0].deployment.deployment_id), waited_s=waited_s)
        return found

    def _ordered(self, flight: Flight) -> list[Candidate]:
        """Return the candidates by the table of this moment, but for the targets that the request was admitted to.

        Raises EndpointNotServed: the engine that came up while the request was held may be another one.
        """
        deployments, now = self._control_plane.table.deployments, self._clock.monotonic()
        found = [
            candidate
            for target in pick_target(flight.targets, self._draw)
            if (deployment := deployments.get(target.deployment_id)) is not None
            for candidate in self._balancer.order(deployment, flight.operation, now)
        ]
        if not found:
            check_served(deployments, flight.targets, flight.operation, flight.request.model)
        return found

    async def _try(
        self, flight: Flight, path: str, headers: dict[str, str], candidate: Candidate, *, is_fresh: bool
    ) -> Whole | Live:
        endpoint = candidate.endpoint
        flight.candidate = candidate
        flight.attempts += 1
        if flight.attempts > 1:
            self._metrics.retries.inc()
        running = RUNNING.get(endpoint.engine) if endpoint.engine is not EngineKind.UNKNOWN else None
        body = outgoing(
            flight.request,
            served_model=endpoint.served_model,
            running=running,
            added=_added(flight, candidate),
            old_limit_only=endpoint.engine in OLD_LIMIT_ONLY,
        )
        sent = {**headers, "Authorization": f"Bearer {endpoint.engine_api_key}"} if endpoint.engine_api_key else headers
        try:
            response = await self._upstream.post(endpoint, path, body, sent, is_fresh=is_fresh)
            try:
                return await self._begin(response, running, endpoint.engine)
            except BaseException:
                response.close()
                raise
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError):
            raise _Failed("connect", UpstreamFailed("The engine cannot be reached.")) from None
        except aiohttp.ServerTimeoutError:
            self._metrics.upstream_error("silence")
            raise UpstreamTimeout("The engine did not begin to answer in time.") from None
        except _HANGUPS:
            raise _Failed(_HANGUP, UpstreamFailed("The engine closed the connection before it answered.")) from None
        except aiohttp.ClientError:
            raise _Failed("broken", UpstreamFailed("The engine broke off its answer.")) from None

    async def _begin(
        self, response: aiohttp.ClientResponse, running: Running | None, engine: EngineKind
    ) -> Whole | Live:
        """Read the first bytes of a stream, or all of anything else."""
        if response.status == 200 and response.content_type == "text/event-stream":
            first = await response.content.readany()
            if not first:
                raise _Failed("empty", UpstreamFailed("The engine ended its stream without a word."))
            self._upstream.between_chunks(response)
            return Live(response, first, running, moves_usage=engine not in RIGHT_USAGE)
        parts, size = [], 0
        while part := await response.content.readany():
            parts.append(part)
            size += len(part)
            if size > self._settings.max_response_bytes:
                response.close()
                raise UpstreamFailed("The engine's answer is larger than the router passes on.")
        return Whole(response.status, response.headers, b"".join(parts))


def _added(flight: Flight, candidate: Candidate) -> Mapping[str, bytes]:
    defaults = candidate.deployment.defaults
    if defaults is None:
        return NOTHING_ADDED
    return added_by(defaults, flight.request.members, flight.operation, candidate.endpoint.engine)


def _refused_us() -> ApiError:
    return UpstreamRefusedUs("The engine refused the router. This is not about your API key; tell the operator.")


def _last_word(answer: Whole | Live | _Failed) -> Whole | Live:
    if isinstance(answer, _Failed):
        raise answer.error
    if isinstance(answer, Whole) and answer.status in _REFUSED:
        raise _refused_us()
    return answer

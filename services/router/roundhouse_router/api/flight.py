"""One admitted request: what its usage record needs, from admission to the one settlement."""

from collections.abc import Sequence
from typing import Final

from roundhouse_common.contracts.routing import ApiKeyRecord, RouteTarget
from roundhouse_common.contracts.usage import Operation, Outcome, UsageRecord, UsageSource
from roundhouse_common.runtime import Clock
from roundhouse_router.domain.balancing import Candidate
from roundhouse_router.domain.demand import Tally
from roundhouse_router.domain.request import ParsedRequest
from roundhouse_router.domain.tokens import NO_TOKENS, TokenCounts
from roundhouse_router.metrics import RouterMetrics
from roundhouse_router.store.spool import Spool

__all__ = ["CLIENT_LEFT_STATUS", "Flight"]

CLIENT_LEFT_STATUS: Final = 499
"""Recorded when nothing was answered; nginx's number for it."""


class Flight:
    """Made at admission, which writes it to the spool. `settle` counts once; later calls change nothing."""

    def __init__(
        self,
        *,
        request_id: str,
        route: str,
        operation: Operation,
        key: ApiKeyRecord,
        request: ParsedRequest,
        targets: Sequence[RouteTarget],
        received: float,
        clock: Clock,
        spool: Spool,
        metrics: RouterMetrics,
    ) -> None:
        self._route = route
        self._clock = clock
        self._spool = spool
        self._metrics = metrics
        self._received = received
        self._first_token_at: float | None = None
        self._asked_at = received
        self._tally: Tally | None = None
        self._is_asking = False
        self._admission = UsageRecord(
            request_id=request_id,
            router_id=spool.router_id,
            sequence=spool.take_sequence(),
            operation=operation,
            key_id=key.key_id,
            user_id=key.user_id,
            tenant_id=key.tenant_id,
            model_requested=request.model,
            model_served="",
            deployment_id=targets[0].deployment_id,
            replica_id="",
            node_id="",
            admitted_at=clock.now(),
            ended_at=0.0,
            duration_ms=0.0,
            is_stream=request.is_stream,
            outcome=Outcome.UNKNOWN,
            http_status=0,
        )
        self.request_id = request_id
        self.operation = operation
        self.request = request
        self.targets = targets
        self.candidate: Candidate | None = None
        """Where the last attempt went."""
        self.attempts = 0
        self.is_retrying = False
        """It holds a part of the retry budget."""
        self.is_settled = False
        self.status_sent = 0
        """The HTTP status that the client has already seen; 0 before that."""
        self.counts: TokenCounts | None = None
        """Tokens known so far."""
        self.source = UsageSource.NONE
        spool.admit(self._admission)
        metrics.in_flight.inc()

    def first_token(self) -> None:
        """The first bytes of a stream are there."""
        now = self._first_token_at = self._clock.monotonic()
        if self._tally is not None:
            self._tally.ttft_count += 1
            self._tally.ttft_sum_s += now - self._asked_at

    def know(self, counts: TokenCounts | None, source: UsageSource) -> None:
        """Take in token figures."""
        if counts is not None:
            self.counts, self.source = counts, source

    def counts_for(self, tally: Tally) -> None:
        """The request is one for this deployment. Of two that it may go to the first that it waited for counts."""
        if self._tally is None:
            self._tally = tally
            tally.started += 1

    def asks_upstream(self, tally: Tally, *, waited_s: float) -> None:
        """The first attempt goes out now, to this deployment."""
        self.counts_for(tally)
        self._tally = tally
        tally.in_flight += 1
        self._is_asking = True
        self._asked_at = self._clock.monotonic()
        self._metrics.overhead.observe(self._asked_at - self._received - waited_s)

    def settle(self, outcome: Outcome, status: int, error_code: str = "") -> None:
        """Write the outcome. Call it before the last byte goes out."""
        if self.is_settled:
            return
        self.is_settled = True
        if self._is_asking and self._tally is not None:
            self._tally.in_flight -= 1
        duration_s = self._clock.monotonic() - self._received
        first_token_s = None if self._first_token_at is None else self._first_token_at - self._received
        self._spool.settle(self._record(outcome, status, error_code, duration_s, first_token_s))
        self._metrics.in_flight.dec()
        self._metrics.answered(self._route, status, outcome.value)
        self._metrics.took(self._route, duration_s, first_token_s)

    def _record(
        self, outcome: Outcome, status: int, error_code: str, duration_s: float, first_token_s: float | None
    ) -> UsageRecord:
        admission, candidate = self._admission, self.candidate
        counts = self.counts or NO_TOKENS
        return UsageRecord(
            request_id=admission.request_id,
            router_id=admission.router_id,
            sequence=admission.sequence,
            operation=admission.operation,
            key_id=admission.key_id,
            user_id=admission.user_id,
            tenant_id=admission.tenant_id,
            model_requested=admission.model_requested,
            model_served=candidate.deployment.model_name if candidate else "",
            deployment_id=candidate.deployment.deployment_id if candidate else admission.deployment_id,
            replica_id=candidate.endpoint.replica_id if candidate else "",
            node_id=candidate.endpoint.node_id if candidate else "",
            admitted_at=admission.admitted_at,
            ended_at=self._clock.now(),
            duration_ms=duration_s * 1000,
            time_to_first_token_ms=None if first_token_s is None else first_token_s * 1000,
            is_stream=admission.is_stream,
            outcome=outcome,
            http_status=status,
            error_code=error_code,
            input_tokens=counts.input_tokens,
            cached_input_tokens=counts.cached_input_tokens,
            output_tokens=counts.output_tokens,
            reasoning_tokens=counts.reasoning_tokens,
            source=self.source,
            attempts=self.attempts,
        )

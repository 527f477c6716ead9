"""One admitted request: what its usage record needs, from admission to the one settlement."""

from collections.abc import Callable
from typing import Final

from roundhouse_common.contracts.routing import ApiKeyRecord
from roundhouse_common.contracts.usage import Outcome, Reuse, UsageRecord, UsageSource
from roundhouse_common.runtime import Clock
from roundhouse_router.api.interfaces import Interface
from roundhouse_router.domain.choosing.candidate import Candidate, Verdict
from roundhouse_router.domain.choosing.chooser import Chooser
from roundhouse_router.domain.demand import Tally
from roundhouse_router.domain.features import GENERATING
from roundhouse_router.domain.limits.estimates import estimate_input
from roundhouse_router.domain.records import Admission
from roundhouse_router.domain.request import MediaFigures, ParsedRequest
from roundhouse_router.domain.targets import RequestFacts, Resolution
from roundhouse_router.domain.tokens import NO_TOKENS, TokenCounts
from roundhouse_router.limits import Grant
from roundhouse_router.metrics import RouterMetrics
from roundhouse_router.request_log.watch import Watch
from roundhouse_router.store.spool import Spool

__all__ = ["CLIENT_LEFT_STATUS", "Flight"]

_NO_FIGURES: Final = MediaFigures()
CLIENT_LEFT_STATUS: Final = 499
"""Recorded when nothing was answered; nginx's number for it."""


class Flight:
    """Made at admission, which writes it to the spool. `settle` counts once; later calls change nothing."""

    __slots__ = (
        "_admission",
        "_asked_at",
        "_chooser",
        "_clock",
        "_first_token_at",
        "_freed",
        "_is_asking",
        "_metrics",
        "_received",
        "_spool",
        "_tally",
        "attempts",
        "candidate",
        "continuations",
        "counts",
        "error_code",
        "facts",
        "grant",
        "http_status",
        "interface",
        "is_retrying",
        "is_settled",
        "key",
        "outcome",
        "priority",
        "queued_s",
        "request",
        "request_id",
        "resolution",
        "reuse",
        "source",
        "status_sent",
        "watch",
    )

    def __init__(
        self,
        *,
        request_id: str,
        interface: Interface,
        key: ApiKeyRecord,
        request: ParsedRequest,
        resolution: Resolution,
        facts: RequestFacts,
        grant: Grant,
        priority: int,
        received: float,
        chooser: Chooser,
        freed: Callable[[], None],
        clock: Clock,
        spool: Spool,
        metrics: RouterMetrics,
    ) -> None:
        self._clock = clock
        self._spool = spool
        self._metrics = metrics
        self._chooser = chooser
        self._freed = freed
        self._received = received
        self._first_token_at: float | None = None
        self._asked_at = received
        self._tally: Tally | None = None
        self._is_asking = False
        self._admission = Admission(
            request_id,
            spool.take_sequence(),
            interface.operation,
            key.key_id,
            key.user_id,
            key.tenant_id,
            request.model,
            resolution.targets[0].deployment_id,
            clock.now(),
            request.is_stream,
            interface.api,
            resolution.route.route_id,
        )
        self.request_id = request_id
        self.interface = interface
        self.key = key
        self.request = request
        self.resolution = resolution
        self.facts = facts
        self.grant = grant
        self.candidate: Candidate | None = None
        """Where the last attempt went."""
        self.attempts = 0
        self.is_retrying = False
        """It holds a part of the retry budget."""
        self.is_settled = False
        self.outcome = Outcome.UNKNOWN
        self.http_status = 0
        self.error_code = ""
        """How it was settled."""
        self.status_sent = 0
        """The HTTP status that the client has already seen; 0 before that."""
        self.counts: TokenCounts | None = None
        """Tokens known so far."""
        self.source = UsageSource.NONE
        self.reuse = Reuse.NONE
        self.continuations = 0
        self.watch: Watch | None = None
        """Follows it for the request log."""
        self.priority = priority
        """Among requests that wait: higher ones go first."""
        self.queued_s = 0.0
        """How long it has waited for room or for a replica."""
        spool.admit(self._admission)
        metrics.in_flight += 1

    def first_token(self) -> None:
        """The first content of a stream is there."""
        if self._first_token_at is None:
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

    def asks_upstream(self, tally: Tally) -> None:
        """The first attempt goes out now, to this deployment."""
        self.counts_for(tally)
        self._tally = tally
        tally.in_flight += 1
        self._is_asking = True

    def tries(self, candidate: Candidate) -> None:
        """An attempt goes out to this endpoint. End it with `tried`, or by settling."""
        now = self._clock.monotonic()
        if not self.attempts:
            self._metrics.overhead.observe(now - self._received - self.queued_s)
        else:
            self._metrics.retries.inc()
        self._asked_at = now
        self.attempts += 1
        self.candidate = candidate
        self._chooser.sent(candidate, now)

    def tried(self, candidate: Candidate, verdict: Verdict, *, retry_after_s: float = 0.0) -> None:
        """The attempt came to nothing, or ended."""
        now = self._clock.monotonic()
        first = None
        if self._first_token_at is not None and self._first_token_at >= self._asked_at:
            first = self._first_token_at - self._asked_at
        elif self.interface.operation not in GENERATING:
            first = now - self._asked_at  # nothing is told before all is there
        self._chooser.ended(candidate, verdict, now, first, retry_after_s=retry_after_s)
        self._freed()

    def settle(self, outcome: Outcome, status: int, error_code: str = "") -> None:
        """Write the outcome. Call it before the last byte goes out."""
        if self.is_settled:
            return
        self.is_settled = True
        self.outcome, self.http_status, self.error_code = outcome, status, error_code
        if self._is_asking and self._tally is not None:
            self._tally.in_flight -= 1
        counts = self.counts or NO_TOKENS
        told = counts.input_tokens + counts.cached_input_tokens + counts.cache_write_tokens
        made = counts.output_tokens + counts.reasoning_tokens
        if not told and outcome is Outcome.ABORTED and self.attempts:
            # An engine has worked for it, nobody knows how much: leaving early must not make limits void.
            self.grant.settle(estimate_input(self.request.body), made)
        else:
            self.grant.settle(told, made)
        duration_s = self._clock.monotonic() - self._received
        first_token_s = None if self._first_token_at is None else self._first_token_at - self._received
        record = self._record(outcome, status, error_code, duration_s, first_token_s, counts)
        self._spool.settle(record)
        if self.watch is not None:
            self.watch.settled(record, route=self.resolution.route.name, provider=self._provider)
        self._metrics.in_flight -= 1
        interface, candidate = self.interface, self.candidate
        series = self._metrics.series(
            interface.path,
            interface.operation.value,
            self.resolution.route.name,
            self._provider,
            is_provider=candidate is not None and candidate.provider is not None,
        )
        series.settled(status, outcome, error_code, duration_s, first_token_s, told, made)

    @property
    def _provider(self) -> str:
        """Who answered, as metrics name it: an engine's kind, or an outside API's."""
        if self.candidate is None:
            return ""
        if self.candidate.provider is not None:
            return self.candidate.provider.name
        return self.candidate.endpoint.engine.value if self.candidate.endpoint is not None else ""

    def _record(
        self,
        outcome: Outcome,
        status: int,
        error_code: str,
        duration_s: float,
        first_token_s: float | None,
        counts: TokenCounts,
    ) -> UsageRecord:
        admission, candidate = self._admission, self.candidate
        figures = self.request.figures or _NO_FIGURES
        deployment = candidate.deployment if candidate is not None else None
        endpoint = candidate.endpoint if candidate is not None else None
        provider = candidate.provider if candidate is not None else None
        return UsageRecord(
            request_id=admission.request_id,
            router_id=self._spool.router_id,
            sequence=admission.sequence,
            operation=admission.operation,
            key_id=admission.key_id,
            user_id=admission.user_id,
            tenant_id=admission.tenant_id,
            model_requested=admission.model_requested,
            model_served=deployment.model_name if deployment else candidate.model if candidate else "",
            deployment_id=deployment.deployment_id if deployment else "" if candidate else admission.deployment_id,
            replica_id=endpoint.replica_id if endpoint else "",
            node_id=endpoint.node_id if endpoint else "",
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
            cache_write_tokens=counts.cache_write_tokens,
            source=self.source,
            attempts=self.attempts,
            api=admission.api,
            route_id=admission.route_id,
            provider_id=provider.provider_id if provider else "",
            reuse=self.reuse,
            continuations=self.continuations,
            audio_ms=figures.audio_ms,
            images=figures.images,
            input_characters=figures.input_characters,
            queued_ms=self.queued_s * 1000,
        )

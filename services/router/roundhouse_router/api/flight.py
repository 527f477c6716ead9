"""One admitted request: what its usage record needs, from admission to the one settlement."""

from collections.abc import Callable
from typing import Final

from roundhouse_common.contracts.routing import ApiKeyRecord
from roundhouse_common.contracts.usage import Outcome, Reuse, UsageRecord, UsageSource
from roundhouse_common.runtime import Clock, UnixTime
from roundhouse_router.api.alike import alike_of
from roundhouse_router.api.interface import Interface
from roundhouse_router.domain.choosing.candidate import Candidate, Verdict
from roundhouse_router.domain.choosing.chooser import Chooser
from roundhouse_router.domain.demand import Tally
from roundhouse_router.domain.features import GENERATING
from roundhouse_router.domain.limits.estimates import estimate_input
from roundhouse_router.domain.records import Admission
from roundhouse_router.domain.request import MediaFigures, ParsedRequest
from roundhouse_router.domain.targets import RequestFacts, Resolution
from roundhouse_router.domain.tokens import MOST_TOKENS, NO_TOKENS, TokenCounts, bounded, sums
from roundhouse_router.limits import Grant
from roundhouse_router.metrics import RouterMetrics, Series
from roundhouse_router.request_log.watch import Watch
from roundhouse_router.store.frames import AdmissionFrame, RecordFrame, opening
from roundhouse_router.store.segments import encode_admission, encode_record
from roundhouse_router.store.spool import Spool

__all__ = ["CLIENT_LEFT_STATUS", "Flight", "FlightServices"]

_NO_FIGURES: Final = MediaFigures()
_UNKNOWN: Final = Outcome.UNKNOWN
_COMPLETED: Final = Outcome.COMPLETED
_ABORTED: Final = Outcome.ABORTED
_NO_SOURCE: Final = UsageSource.NONE
_ENGINE_FINAL: Final = UsageSource.ENGINE_FINAL
_NOT_REUSED: Final = Reuse.NONE
"""A member of an enumeration is two lookups away, each time."""
CLIENT_LEFT_STATUS: Final = 499
"""Recorded when nothing was answered; nginx's number for it."""


class FlightServices:
    """What all flights use."""

    __slots__ = ("chooser", "freed", "metrics", "monotonic", "now", "spool")

    def __init__(
        self, chooser: Chooser, freed: Callable[[], None], clock: Clock, spool: Spool, metrics: RouterMetrics
    ) -> None:
        self.chooser = chooser
        self.freed = freed
        """A request has ended: somebody may wait for that."""
        self.now = clock.now
        self.monotonic = clock.monotonic
        self.spool = spool
        self.metrics = metrics


class Flight:
    """Made at admission, which writes it to the spool. `settle` counts once; later calls change nothing."""

    __slots__ = (
        "_admitted_at",
        "_alike",
        "_asked",
        "_asked_at",
        "_first_token_at",
        "_is_asking",
        "_opening",
        "_received",
        "_sequence",
        "_services",
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
        "is_trying",
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
        request_id: str,
        interface: Interface,
        key: ApiKeyRecord,
        request: ParsedRequest,
        resolution: Resolution,
        facts: RequestFacts,
        grant: Grant,
        priority: int,
        received: float,
        services: "FlightServices",
    ) -> None:
        self._services = services
        self._received = received
        self._first_token_at: float | None = None
        self._asked_at = received
        self._tally: Tally | None = None
        self._is_asking = False
        self._asked = resolution  # a fallback changes where it goes, and not what was asked for
        self.request_id = request_id
        self.interface = interface
        self.key = key
        self.request = request
        self.resolution = resolution
        # From here on by attributes of its own: compiled, these have types, and arguments have none.
        self._alike = alike_of(self.resolution, self.interface.path, self.request.is_stream)
        self._sequence = self._services.spool.take_sequence()
        self._admitted_at = self._services.now()
        self.facts = facts
        self.grant = grant
        self.candidate: Candidate | None = None
        """Where the last attempt went."""
        self.attempts = 0
        self.is_retrying = False
        """It holds a part of the retry budget."""
        self.is_settled = False
        self.is_trying = False
        """An attempt counts as one in flight at its endpoint."""
        self.outcome = _UNKNOWN
        self.http_status = 0
        self.error_code = ""
        """How it was settled."""
        self.status_sent = 0
        """The HTTP status that the client has already seen; 0 before that."""
        self.counts: TokenCounts | None = None
        """Tokens known so far."""
        self.source = _NO_SOURCE
        self.reuse = _NOT_REUSED
        self.continuations = 0
        self.watch: Watch | None = None
        """Follows it for the request log."""
        self.priority = priority
        """Among requests that wait: higher ones go first."""
        self.queued_s = 0.0
        """How long it has waited for room or for a replica."""
        self._services.spool.admit_line(self.request_id, self._admission_line())
        self._services.metrics.in_flight += 1

    def first_token(self) -> None:
        """The first content of a stream is there."""
        if self._first_token_at is None:
            now = self._first_token_at = self._services.monotonic()
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
        services = self._services
        now = services.monotonic()
        if not self.attempts:
            services.metrics.overhead.observe(now - self._received - self.queued_s)
        else:
            services.metrics.retries.inc()
        self._asked_at = now
        self.attempts += 1
        self.candidate = candidate
        self.is_trying = True
        services.chooser.sent(candidate, now)

    def tried(self, candidate: Candidate, verdict: Verdict, why: str = "", retry_after_s: float = 0.0) -> None:
        """The attempt came to nothing, or ended."""
        self.is_trying = False
        services = self._services
        now = services.monotonic()
        first = None
        if self._first_token_at is not None and self._first_token_at >= self._asked_at:
            first = self._first_token_at - self._asked_at
        elif self.interface.operation not in GENERATING:
            first = now - self._asked_at  # nothing is told before all is there
        services.chooser.ended(candidate, verdict, now, first, why, retry_after_s)
        services.freed()

    def settle(self, outcome: Outcome, status: int, error_code: str = "") -> None:
        """Write the outcome. Call it before the last byte goes out."""
        if self.is_settled:
            return
        self.is_settled = True
        self.outcome, self.http_status, self.error_code = outcome, status, error_code
        if self._is_asking and self._tally is not None:
            self._tally.in_flight -= 1
        counts = self.counts or NO_TOKENS
        told, made, rare = sums(counts)
        if told > MOST_TOKENS or made > MOST_TOKENS:
            counts = self.counts = bounded(counts)
            told, made, rare = sums(counts)
        if not told and outcome is _ABORTED and self.attempts:
            # An engine has worked for it, nobody knows how much: leaving early must not make limits void.
            self.grant.settle(estimate_input(self.request.body), made, self._bill)
        else:
            self.grant.settle(told, made, self._bill)
        services = self._services
        duration_s = services.monotonic() - self._received
        first_token_s = None if self._first_token_at is None else self._first_token_at - self._received
        frame = self._frame() if not rare and self._is_plain() else None
        services.spool.settle_line(self.request_id, self._record_line(frame, duration_s, first_token_s, counts))
        services.metrics.in_flight -= 1
        series = self._series(frame)
        series.settled(status, outcome, error_code, duration_s, first_token_s, told, made)

    def _series(self, frame: RecordFrame | None) -> Series:
        """Return what counts such requests, looked up once for those that have a frame."""
        interface, candidate = self.interface, self.candidate
        known = self._alike.series if frame is not None and self.resolution is self._asked else None
        endpoint_id = candidate.endpoint_id if candidate is not None else ""
        if known is not None and (found := known.get(endpoint_id)) is not None:
            return found
        series = self._services.metrics.series(
            interface.path,
            interface.operation.value,
            self.resolution.route.name,
            self._provider,
            is_provider=candidate is not None and candidate.provider is not None,
        )
        if known is not None:
            known[endpoint_id] = series
        return series

    @property
    def _provider(self) -> str:
        """Who answered, as metrics name it: an engine's kind, or an outside API's."""
        if self.candidate is None:
            return ""
        if self.candidate.provider is not None:
            return self.candidate.provider.name
        return self.candidate.endpoint.engine.value if self.candidate.endpoint is not None else ""

    def _admission_line(self) -> bytes:
        """Return the spool's entry of the admission."""
        frame = self._alike.admission
        if frame is None:
            frame = self._alike.admission = AdmissionFrame(self._admission())
        self._opening = opening(self.request_id, self._sequence, self._admitted_at)
        line = frame.line(self._opening)
        return line or encode_admission(self._admission())

    def _admission(self) -> Admission:
        return Admission(
            self.request_id,
            self._sequence,
            self.interface.operation,
            self.key.key_id,
            self.key.user_id,
            self.key.tenant_id,
            self.request.model,
            self._asked.targets[0].deployment_id,
            self._admitted_at,
            self.request.is_stream,
            self.interface.api,
            self._asked.route.route_id,
            self.key.project_id,
        )

    def _record_line(
        self, frame: RecordFrame | None, duration_s: float, first_token_s: float | None, counts: TokenCounts
    ) -> bytes:
        """Return the spool's entry of the outcome, and tell it to the request log."""
        now = self._services.now()
        if self.watch is None and frame is not None:
            line = frame.line(
                self._opening,
                now,
                duration_s * 1000,
                None if first_token_s is None else first_token_s * 1000,
                counts.input_tokens,
                counts.cached_input_tokens,
                counts.output_tokens,
                counts.reasoning_tokens,
            )
            if line is not None:
                return line
        record = self._record(now, duration_s, first_token_s, counts)
        if self.watch is not None:
            self.watch.settled(record, route=self.resolution.route.name, provider=self._provider)
        elif not sums(counts)[2] and self._is_plain():
            self._keep_frame(record)
        return encode_record(record)

    def _is_plain(self) -> bool:
        """Whether its record differs from others of its kind by the members that a `RecordFrame` has gaps for, as long
        as it has no tokens of the rarer classes."""
        return (
            self.outcome is _COMPLETED
            and self.http_status == 200
            and not self.error_code
            and self.attempts == 1
            and self.source is _ENGINE_FINAL
            and self.reuse is _NOT_REUSED
            and not self.continuations
            and not self.queued_s
            and self.request.figures is None
            and self.candidate is not None
            and self.candidate.deployment is not None
        )

    def _frame(self) -> RecordFrame | None:
        candidate = self.candidate
        assert candidate is not None
        frame = self._alike.records.get(candidate.endpoint_id)
        return frame if frame is not None and frame.engine is candidate.deployment else None

    def _keep_frame(self, record: UsageRecord) -> None:
        candidate = self.candidate
        assert candidate is not None
        self._alike.keep(candidate.endpoint_id, RecordFrame(record, candidate.deployment))

    def _bill(self) -> UsageRecord:
        """Return what budgets are charged by."""
        return self._record(self._services.now(), 0.0, None, self.counts or NO_TOKENS)

    def _record(
        self, now: UnixTime, duration_s: float, first_token_s: float | None, counts: TokenCounts
    ) -> UsageRecord:
        admission, candidate = self._admission(), self.candidate
        figures = self.request.figures or _NO_FIGURES
        deployment = candidate.deployment if candidate is not None else None
        endpoint = candidate.endpoint if candidate is not None else None
        provider = candidate.provider if candidate is not None else None
        return UsageRecord(
            request_id=admission.request_id,
            router_id=self._services.spool.router_id,
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
            ended_at=now,
            duration_ms=duration_s * 1000,
            time_to_first_token_ms=None if first_token_s is None else first_token_s * 1000,
            is_stream=admission.is_stream,
            outcome=self.outcome,
            http_status=self.http_status,
            error_code=self.error_code,
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
            project_id=self.key.project_id,
            region=endpoint.region if endpoint else "",
            device_class=endpoint.device_class if endpoint else "",
            version_id=endpoint.version_id if endpoint else "",
            input_audio_tokens=counts.input_audio_tokens,
            output_audio_tokens=counts.output_audio_tokens,
            input_image_tokens=counts.input_image_tokens,
            output_image_tokens=counts.output_image_tokens,
        )

"""What the router counts. Label values come from closed sets, so that no client can make series."""

from collections import Counter as Tally
from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from roundhouse_common.contracts.scheduler import DeploymentEndpoints, EndpointState
from roundhouse_common.contracts.usage import Outcome
from roundhouse_router.domain.choosing.chooser import Chooser
from roundhouse_router.domain.errors import ApiError
from roundhouse_router.domain.faults import fault_of
from roundhouse_router.light_metrics import LightCounters, LightHistograms
from roundhouse_router.store.spool import Spool

__all__ = ["RouterMetrics", "Series"]

_COMPLETED: Final = Outcome.COMPLETED
_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_PER_TOKEN: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.5)
_TOKENS: Final = tuple(4.0**power for power in range(14))
"""OpenTelemetry's bounds for token counts: powers of 4."""
_OVERHEAD: Final = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 1)


class RouterMetrics:
    """All series, registered once."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = LightCounters(
            "roundhouse_router_requests", "Answered requests", ("route", "status", "outcome"), registry
        )
        self.errors = LightCounters(
            "roundhouse_router_errors",
            "Requests that were refused, failed or abandoned, by whose fault it was",
            ("gen_ai_operation_name", "error_type"),
            registry,
        )
        labels = ("gen_ai_operation_name", "gen_ai_request_model", "gen_ai_provider_name")
        self.duration = LightHistograms(
            "gen_ai_server_request_duration_seconds",
            "Arrival to last byte",
            (*labels, "error_type"),
            _SECONDS,
            registry,
        )
        self.first_token = LightHistograms(
            "gen_ai_server_time_to_first_token_seconds",
            "Arrival to the first content of a stream",
            labels,
            _SECONDS,
            registry,
        )
        self.per_token = LightHistograms(
            "gen_ai_server_time_per_output_token_seconds",
            "Mean time between the tokens of a stream after the first",
            labels,
            _PER_TOKEN,
            registry,
        )
        self.tokens = LightHistograms(
            "gen_ai_client_token_usage",
            "Tokens of requests, as engines count them",
            (*labels, "gen_ai_token_type"),
            _TOKENS,
            registry,
        )
        self.overhead = LightHistograms(
            "roundhouse_router_overhead_seconds",
            "Time of a request before the engine was asked, waiting for a replica or for room left out",
            (),
            _OVERHEAD,
            registry,
        ).of()
        self.fallbacks = Counter(
            "roundhouse_router_fallbacks", "Requests that went on to another route", ["reason"], registry=registry
        )
        self.in_flight = 0
        """Admitted requests."""
        Gauge("roundhouse_router_in_flight", "Admitted requests in flight", registry=registry).set_function(
            lambda: self.in_flight
        )
        self._series: dict[tuple[str, str, str], Series] = {}
        self.held = Gauge("roundhouse_router_held", "Requests that wait for a ready replica", registry=registry)
        self.hold_s = Histogram(
            "roundhouse_router_hold_seconds",
            "How long requests waited for a ready replica, those that gave up included",
            buckets=_SECONDS,
            registry=registry,
        )
        self.hold_refused = Counter(
            "roundhouse_router_holds_refused", "Requests refused because too many waited already", registry=registry
        )
        self._upstream_errors = Counter(
            "roundhouse_router_upstream_errors", "Attempts that failed", ["kind"], registry=registry
        )
        self.retries = Counter("roundhouse_router_retries", "Attempts after the first", registry=registry)
        self.retries_refused = Counter(
            "roundhouse_router_retries_refused", "Retries that the budget refused", registry=registry
        )
        self._endpoints = Gauge("roundhouse_router_endpoints", "Known endpoints", ["state"], registry=registry)
        self.published = Counter("roundhouse_router_usage_published", "Acknowledged usage records", registry=registry)
        self.publish_failures = Counter(
            "roundhouse_router_usage_publish_failures", "Publications that were not acknowledged", registry=registry
        )
        self.republished = Counter(
            "roundhouse_router_usage_republications",
            "Times that all retained usage was published again",
            registry=registry,
        )
        self.spool_depth = Gauge(
            "roundhouse_router_spool_depth", "Usage records that are not acknowledged yet", registry=registry
        )
        self.snapshot_failures = Counter(
            "roundhouse_router_snapshot_failures", "Snapshots that could not be saved", registry=registry
        )
        self._registry = registry

    def answered(self, path: str, status: int, outcome: str) -> None:
        """Count an answer."""
        self.requests.of(path, str(status), outcome).add()

    def refused(self, path: str, operation: str, error: ApiError) -> None:
        """Count a request that was not admitted."""
        self.answered(path, error.status, "refused")
        self.errors.of(operation, fault_of(error.error_code, error.status, is_provider=False)).add()

    def series(self, path: str, operation: str, model: str, provider: str, *, is_provider: bool) -> "Series":
        """Return what counts admitted requests of one kind. `model` is the name of their route, never what a client
        made up; `provider` that of an outside provider, or the engine's kind."""
        key = (path, model, provider)
        found = self._series.get(key)
        if found is None:
            found = self._series[key] = Series(self, path, operation, model, provider, is_provider=is_provider)
        return found

    def upstream_error(self, kind: str) -> None:
        self._upstream_errors.labels(kind).inc()

    def know_endpoints(self, deployments: Iterable[DeploymentEndpoints]) -> None:
        states = Tally(endpoint.state for deployment in deployments for endpoint in deployment.endpoints)
        for state in EndpointState:
            self._endpoints.labels(state.value).set(states[state])

    def watch_chooser(self, chooser: Chooser) -> None:
        """Show how endpoints stand at each scrape."""
        ejected = Gauge(
            "roundhouse_router_ejected", "Endpoints and providers that are ejected", registry=self._registry
        )
        ejected.set_function(lambda: sum(one.condition.is_ejected for one in chooser.roster.standings))

    def watch_spool(self, spool: Spool) -> None:
        """Show the spool's figures at each scrape."""
        figures = (
            ("spool_bytes", "Bytes of the usage spool", lambda: spool.retained_bytes),
            ("spool_waiting", "Outcomes only in memory because the disk refused them", lambda: spool.waiting),
            ("spool_failed_writes", "Writes that the disk refused", lambda: spool.counters.failed_writes),
            ("spool_lost_records", "Outcomes that were given up", lambda: spool.counters.lost_records),
            ("spool_damaged_lines", "Damaged lines found at start", lambda: spool.counters.damaged_lines),
        )
        for name, text, read in figures:
            Gauge(f"roundhouse_router_{name}", text, registry=self._registry).set_function(read)


class Series:
    """The numbers of admitted requests of one kind, looked up once."""

    __slots__ = (
        "_completed",
        "_first_token",
        "_input",
        "_is_provider",
        "_labels",
        "_metrics",
        "_output",
        "_path",
        "_per_token",
        "_succeeded",
    )

    def __init__(
        self, metrics: RouterMetrics, path: str, operation: str, model: str, provider: str, *, is_provider: bool
    ) -> None:
        self._metrics = metrics
        self._path = path
        self._labels = labels = (operation, model, provider)
        self._is_provider = is_provider
        self._completed = metrics.requests.of(path, "200", _COMPLETED.value)
        self._succeeded = metrics.duration.of(*labels, "")
        self._first_token = metrics.first_token.of(*labels)
        self._per_token = metrics.per_token.of(*labels)
        self._input = metrics.tokens.of(*labels, "input")
        self._output = metrics.tokens.of(*labels, "output")

    def settled(
        self,
        status: int,
        outcome: Outcome,
        error_code: str,
        duration_s: float,
        first_token_s: float | None,
        told: int,
        made: int,
    ) -> None:
        """Count an admitted request at its end, with the tokens that went in and came out."""
        if error_code:
            self._failed(status, outcome, error_code, duration_s)
        else:
            if status == 200 and outcome is _COMPLETED:
                self._completed.add()
            else:
                self._metrics.answered(self._path, status, outcome.value)
            self._succeeded.observe(duration_s)
        if told:
            self._input.observe(told)
        if made:
            self._output.observe(made)
        if first_token_s is not None:
            self._first_token.observe(first_token_s)
            if made > 1:
                self._per_token.observe((duration_s - first_token_s) / (made - 1))

    def _failed(self, status: int, outcome: Outcome, error_code: str, duration_s: float) -> None:
        self._metrics.answered(self._path, status, outcome.value)
        fault = fault_of(error_code, status, is_provider=self._is_provider)
        self._metrics.errors.of(self._labels[0], fault).add()
        self._metrics.duration.of(*self._labels, fault).observe(duration_s)

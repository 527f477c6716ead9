"""What the router counts. Label values come from closed sets, so that no client can make series."""

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from roundhouse_common.contracts.scheduler import DeploymentEndpoints, EndpointState
from roundhouse_router.store.spool import Spool

__all__ = ["RouterMetrics"]

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_OVERHEAD = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 1)


class RouterMetrics:
    """All series, registered once."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "roundhouse_router_requests", "Answered requests", ["route", "status", "outcome"], registry=registry
        )
        self._duration = Histogram(
            "roundhouse_router_request_seconds",
            "Admission to last byte",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._first_token = Histogram(
            "roundhouse_router_time_to_first_token_seconds",
            "Admission to the first bytes of a stream",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.overhead = Histogram(
            "roundhouse_router_overhead_seconds",
            "Time of a request before the engine was asked, waiting for a replica left out",
            buckets=_OVERHEAD,
            registry=registry,
        )
        self.in_flight = Gauge("roundhouse_router_in_flight", "Admitted requests in flight", registry=registry)
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
        self._children: dict[tuple[str, int, str], Counter] = {}

    def answered(self, route: str, status: int, outcome: str) -> None:
        labels = (route, status, outcome)
        child = self._children.get(labels)
        if child is None:
            child = self._children[labels] = self._requests.labels(route, str(status), outcome)
        child.inc()

    def took(self, route: str, duration_s: float, first_token_s: float | None) -> None:
        self._duration.labels(route).observe(duration_s)
        if first_token_s is not None:
            self._first_token.labels(route).observe(first_token_s)

    def upstream_error(self, kind: str) -> None:
        self._upstream_errors.labels(kind).inc()

    def know_endpoints(self, deployments: Iterable[DeploymentEndpoints]) -> None:
        states = Tally(endpoint.state for deployment in deployments for endpoint in deployment.endpoints)
        for state in EndpointState:
            self._endpoints.labels(state.value).set(states[state])

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

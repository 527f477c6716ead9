"""What is counted of answers that are given again."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from roundhouse_router.domain.reuse import CacheState

__all__ = ["ReuseMetrics"]


class ReuseMetrics:
    """All series of reuse, registered once."""

    def __init__(self, registry: CollectorRegistry) -> None:
        lookups = Counter(
            "roundhouse_router_cache_requests", "Requests of routes with a cache", ["result"], registry=registry
        )
        self.lookups = {state: lookups.labels(state.value.decode()) for state in CacheState}
        self.kept = Counter("roundhouse_router_cache_answers_kept", "Answers put into the cache", registry=registry)
        self.cache_bytes = Gauge(
            "roundhouse_router_cache_bytes", "Size of the answers kept in this process", registry=registry
        )
        self.not_kept = Counter(
            "roundhouse_router_cache_answers_dropped",
            "Answers that were not kept because too many waited to be written",
            registry=registry,
        )
        self.coalesced = Counter(
            "roundhouse_router_coalesced_requests", "Requests that shared another one's answer", registry=registry
        )
        idempotent = Counter(
            "roundhouse_router_idempotent_requests",
            "Requests with an Idempotency-Key",
            ["result"],
            registry=registry,
        )
        self.idempotent = {name: idempotent.labels(name) for name in ("fresh", "replayed", "in_use", "reused")}
        self.store_failures = Counter(
            "roundhouse_router_reuse_store_failures", "Calls of Redis for kept answers that failed", registry=registry
        )
        self.idempotent_locally = Counter(
            "roundhouse_router_idempotent_local_requests",
            "Requests with an Idempotency-Key that only this router knows of, because Redis was away",
            registry=registry,
        )

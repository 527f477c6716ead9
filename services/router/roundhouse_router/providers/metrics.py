"""What is counted of providers' keys. Providers are named by operators, so no client can make series."""

from prometheus_client import CollectorRegistry, Counter, Gauge

__all__ = ["ProviderKeyMetrics"]


class ProviderKeyMetrics:
    """`keys_resting{kind="refused"}` above 0 means that somebody must look: a key is wrong or without credit."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._answers = Counter(
            "roundhouse_router_provider_key_answers",
            "Answers of providers that were about the key: limited (429) or refused (401, 402, 403)",
            ["provider", "kind"],
            registry=registry,
        )
        self._resting = Gauge(
            "roundhouse_router_provider_keys_resting",
            "Keys that are not used for now, for at least one model",
            ["provider", "kind"],
            registry=registry,
        )

    def answered(self, provider: str, kind: str) -> None:
        """Count an answer that put a key to rest."""
        self._answers.labels(provider, kind).inc()

    def resting(self, provider: str, kind: str, count: int) -> None:
        """Show how many keys rest."""
        self._resting.labels(provider, kind).set(count)

    def forget(self, provider: str) -> None:
        """Show nothing more of a provider that is gone."""
        for kind in ("limited", "refused"):
            self._resting.remove(provider, kind)

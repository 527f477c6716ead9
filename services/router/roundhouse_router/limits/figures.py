"""What a limiter counts, read at each scrape: an admission only adds one to a number."""

from collections.abc import Callable, Iterator
from enum import Enum

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

__all__ = ["BudgetFigures", "Decider", "LimiterFigures", "Tally"]


class Decider(Enum):
    """By what a request was admitted or refused."""

    PROCESS = "process"
    REDIS = "redis"
    LOCAL_SHARE = "local-share"
    OPEN = "open"
    CLOSED = "closed"


class Tally:
    """Decisions of one kind."""

    __slots__ = ("admitted", "refused")

    def __init__(self) -> None:
        self.admitted = 0
        self.refused = 0


class BudgetFigures(Collector):
    """What became of requests under hard budgets. Register it once."""

    def __init__(self, is_heard: Callable[[], bool] = lambda: True) -> None:
        """`is_heard`: whether this router knows which budgets there are."""
        self.refused = 0
        self.unpriced = 0
        self.unheard = 0
        self._is_heard = is_heard

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "roundhouse_router_budget_refusals", "Requests that a hard budget had no room for", value=self.refused
        )
        yield CounterMetricFamily(
            "roundhouse_router_unpriced_requests",
            "Requests under a hard budget of money that have no price: refused or admitted, as the setting says",
            value=self.unpriced,
        )
        yield CounterMetricFamily(
            "roundhouse_router_budgets_unheard_requests",
            "Requests while this router did not know which budgets there are: refused or admitted, as the setting says",
            value=self.unheard,
        )
        yield GaugeMetricFamily(
            "roundhouse_router_budgets_heard",
            "1 once this router knows which budgets there are, from its snapshot or from metering",
            value=int(self._is_heard()),
        )


class LimiterFigures(Collector):
    """Register it once. Requests that no limit is about are not counted."""

    def __init__(self, unread: Callable[[], int] = lambda: 0) -> None:
        """`unread`: how many limits this version does not understand, and so does not enforce."""
        self._unread = unread
        self.tallies = {decider: Tally() for decider in Decider}
        self.times_lost = 0
        self.is_degraded = False
        """Whether limits are not exact now, because Redis is lost."""

    def collect(self) -> Iterator[Metric]:
        decisions = CounterMetricFamily(
            "roundhouse_router_limiter_decisions",
            "Requests under a limit that were admitted or refused, by what",
            labels=["mode", "outcome"],
        )
        for decider, tally in self.tallies.items():
            decisions.add_metric([decider.value, "admitted"], tally.admitted)
            decisions.add_metric([decider.value, "refused"], tally.refused)
        yield decisions
        yield GaugeMetricFamily(
            "roundhouse_router_limiter_degraded",
            "1 while Redis is lost and limits are not exact over all routers",
            value=int(self.is_degraded),
        )
        yield CounterMetricFamily(
            "roundhouse_router_limiter_redis_lost", "Times that Redis was lost", value=self.times_lost
        )
        yield GaugeMetricFamily(
            "roundhouse_router_limits_unread",
            "Limits that this version does not understand and does not enforce: routers must be upgraded",
            value=self._unread(),
        )

"""What the data plane counts, made when somebody scrapes."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from roundhouse_router.wire.server import WireServer

__all__ = ["WireFigures"]


class WireFigures(Collector):
    """Register it once per server."""

    def __init__(self, server: "WireServer") -> None:
        self._server = server

    def collect(self) -> Iterator[Metric]:
        open_now = len(self._server.connections)
        yield GaugeMetricFamily("roundhouse_router_connections", "Open connections of clients", value=open_now)
        refused = CounterMetricFamily(
            "roundhouse_router_bad_requests", "Requests that were no HTTP, or too large or slow", labels=["code"]
        )
        for code, count in self._server.refusals.items():
            refused.add_metric([code], count)
        yield refused

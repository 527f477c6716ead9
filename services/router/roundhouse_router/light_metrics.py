"""Counters and histograms that cost a fraction of a microsecond, for the hot path. They belong to one event loop.

`prometheus_client` takes a lock for each number and looks at a histogram's bounds one by one; here a request touches
plain integers, and the families are made when somebody scrapes.
"""

from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

__all__ = ["LightCounter", "LightCounters", "LightHistogram", "LightHistograms"]


class LightHistogram:
    """One series."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        place = 0
        for bound in self._bounds:  # most values are in one of the first
            if value <= bound:
                break
            place += 1
        self.counts[place] += 1
        self.total += value


class LightHistograms(Collector):
    """A histogram with labels. Keep what `of` returns where it is used often."""

    def __init__(
        self, name: str, text: str, labels: Sequence[str], bounds: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self._name, self._text, self._labels, self._bounds = name, text, list(labels), tuple(bounds)
        self._series: dict[tuple[str, ...], LightHistogram] = {}
        registry.register(self)

    def of(self, *values: str) -> LightHistogram:
        """Return the series with these label values."""
        series = self._series.get(values)
        if series is None:
            series = self._series[values] = LightHistogram(self._bounds)
        return series

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        for values, series in self._series.items():
            below, buckets = 0, []
            for bound, number in zip((*map(str, self._bounds), "+Inf"), series.counts, strict=True):
                below += number
                buckets.append((bound, below))
            family.add_metric(values, buckets, sum_value=series.total)
        yield family


class LightCounter:
    """One series."""

    __slots__ = ("total",)

    def __init__(self) -> None:
        self.total = 0.0

    def add(self, number: float = 1.0) -> None:
        self.total += number


class LightCounters(Collector):
    """A counter with labels. Keep what `of` returns where it is used often."""

    def __init__(self, name: str, text: str, labels: Sequence[str], registry: CollectorRegistry) -> None:
        self._name, self._text, self._labels = name, text, list(labels)
        self._series: dict[tuple[str, ...], LightCounter] = {}
        registry.register(self)

    def of(self, *values: str) -> LightCounter:
        """Return the series with these label values."""
        series = self._series.get(values)
        if series is None:
            series = self._series[values] = LightCounter()
        return series

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for values, series in self._series.items():
            family.add_metric(values, series.total)
        yield family

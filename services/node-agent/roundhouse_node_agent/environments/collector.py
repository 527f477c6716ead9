"""Metrics of the engines on this node: by state, and what installing them came to."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from roundhouse_common.contracts.provisioning import EnvironmentState
from roundhouse_node_agent.environments.manager import EngineEnvironments

__all__ = ["EnvironmentsCollector"]


class EnvironmentsCollector(Collector):
    """Reads what is known when it is scraped; asks nobody."""

    def __init__(self, environments: EngineEnvironments) -> None:
        self._environments = environments

    def collect(self) -> Iterator[Metric]:
        told = self._environments.states()
        counts = Counter(one.state for one in told)
        states = GaugeMetricFamily("roundhouse_node_engines", "Found or installed, by state.", labels=("state",))
        for state in EnvironmentState:
            states.add_metric((state.value,), counts[state])
        size = sum(one.size_bytes for one in told)
        done = self._environments.installations
        results = CounterMetricFamily("roundhouse_node_engine_installations", "Since the start.", labels=("result",))
        results.add_metric(("succeeded",), done.succeeded)
        results.add_metric(("failed",), done.failed)
        yield from (
            states,
            GaugeMetricFamily("roundhouse_node_engines_bytes", "What installed engines take on the disk.", value=size),
            results,
            GaugeMetricFamily(
                "roundhouse_node_engine_installation_seconds", "What the last one took.", value=done.last_s
            ),
        )

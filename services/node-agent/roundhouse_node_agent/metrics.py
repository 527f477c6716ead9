"""The agent's own metrics: engines under our names, replicas by phase, the host's memory and devices."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_node_agent.context import AgentContext

__all__ = ["AgentCollector"]

_ENGINE_LABELS = ("replica_id", "deployment", "engine")


class AgentCollector(Collector):
    """Reads what the agent knows when it is scraped; asks nobody."""

    def __init__(self, context: AgentContext) -> None:
        self._context = context

    def collect(self) -> Iterator[Metric]:
        yield from self._engines()
        yield from self._replicas()
        yield from self._host()

    def _engines(self) -> Iterator[Metric]:
        running = GaugeMetricFamily("roundhouse_engine_requests_running", "In the engine now.", labels=_ENGINE_LABELS)
        waiting = GaugeMetricFamily("roundhouse_engine_requests_waiting", "In its queue now.", labels=_ENGINE_LABELS)
        cache = GaugeMetricFamily("roundhouse_engine_kv_cache_usage_ratio", "0 to 1.", labels=_ENGINE_LABELS)
        tokens_in = CounterMetricFamily("roundhouse_engine_input_tokens", "By its own count.", labels=_ENGINE_LABELS)
        tokens_out = CounterMetricFamily("roundhouse_engine_output_tokens", "By its own count.", labels=_ENGINE_LABELS)
        for replica_id, sample in self._context.samples.items():
            replica = self._context.replicas.get(replica_id)
            if replica is None:
                continue
            assignment = replica.assignment
            labels = (replica_id, assignment.deployment_name, assignment.version.engine.value)
            running.add_metric(labels, sample.running)
            waiting.add_metric(labels, sample.waiting)
            cache.add_metric(labels, sample.kv_cache_usage)
            tokens_in.add_metric(labels, sample.input_tokens_total)
            tokens_out.add_metric(labels, sample.output_tokens_total)
        yield from (running, waiting, cache, tokens_in, tokens_out)

    def _replicas(self) -> Iterator[Metric]:
        counts = Counter(replica.phase for replica in self._context.replicas.values())
        replicas = GaugeMetricFamily("roundhouse_node_replicas", "On this node, by phase.", labels=("phase",))
        for phase in ObservedPhase:
            replicas.add_metric((phase.value,), counts[phase])
        yield replicas

    def _host(self) -> Iterator[Metric]:
        inventory = self._context.inventory
        if inventory is None:
            return
        yield GaugeMetricFamily(
            "roundhouse_node_memory_total_bytes", "Usable by this node.", value=inventory.memory_total_bytes
        )
        yield GaugeMetricFamily(
            "roundhouse_node_memory_available_bytes", "At the last look.", value=inventory.memory_available_bytes
        )
        free = GaugeMetricFamily("roundhouse_device_memory_free_bytes", "At the last look.", labels=("uuid", "model"))
        for device in inventory.devices:
            free.add_metric((device.uuid, device.model), device.memory_free_bytes)
        yield free
        errors = len(inventory.device_errors)
        yield GaugeMetricFamily("roundhouse_node_device_errors", "Devices that cannot be read.", value=errors)

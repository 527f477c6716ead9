"""The agent's own metrics: engines under our names, replicas by phase, the host's memory and devices."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_node_agent.context import AgentContext

__all__ = ["AgentCollector"]

_DEVICE_GAUGES = (
    ("roundhouse_device_utilization_ratio", "0 to 1.", "utilization"),
    ("roundhouse_device_memory_used_bytes", "At the last sample.", "memory_used_bytes"),
    ("roundhouse_device_temperature_celsius", "At the last sample.", "temperature_c"),
    ("roundhouse_device_power_watts", "At the last sample.", "power_w"),
)
_ENGINE_LABELS = ("replica_id", "deployment", "engine")


class AgentCollector(Collector):
    """Reads what the agent knows when it is scraped; asks nobody."""

    def __init__(self, context: AgentContext) -> None:
        self._context = context

    def collect(self) -> Iterator[Metric]:
        yield from self._engines()
        yield from self._replicas()
        yield from self._host()
        yield from self._sample()

    def _engines(self) -> Iterator[Metric]:
        running = GaugeMetricFamily("roundhouse_engine_requests_running", "In the engine now.", labels=_ENGINE_LABELS)
        waiting = GaugeMetricFamily("roundhouse_engine_requests_waiting", "In its queue now.", labels=_ENGINE_LABELS)
        cache = GaugeMetricFamily("roundhouse_engine_kv_cache_usage_ratio", "0 to 1.", labels=_ENGINE_LABELS)
        tokens_in = CounterMetricFamily(
            "roundhouse_engine_input_tokens", "By its own count, cached ones included.", labels=_ENGINE_LABELS
        )
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
            if sample.input_tokens_total is not None:
                tokens_in.add_metric(labels, sample.input_tokens_total)
            if sample.output_tokens_total is not None:
                tokens_out.add_metric(labels, sample.output_tokens_total)
        yield from (running, waiting, cache, tokens_in, tokens_out)

    def _replicas(self) -> Iterator[Metric]:
        counts = Counter(replica.phase for replica in self._context.replicas.values())
        replicas = GaugeMetricFamily("roundhouse_node_replicas", "On this node, by phase.", labels=("phase",))
        for phase in ObservedPhase:
            replicas.add_metric((phase.value,), counts[phase])
        yield replicas

    def _sample(self) -> Iterator[Metric]:
        """The last sample. What is not known is left out, never 0."""
        sample = self._context.sample
        if sample is None:
            return
        cores = GaugeMetricFamily("roundhouse_node_cpu_cores_busy", "Over the last interval.", labels=("mode",))
        cores.add_metric(("user",), sample.cpu_user)
        cores.add_metric(("system",), sample.cpu_system)
        used = GaugeMetricFamily("roundhouse_engine_memory_bytes", "Of the host.", labels=("replica_id",))
        busy = GaugeMetricFamily("roundhouse_engine_cpu_cores_busy", "Last interval.", labels=("replica_id", "mode"))
        for replica in sample.replicas:
            used.add_metric((replica.replica_id,), replica.memory_bytes)
            busy.add_metric((replica.replica_id, "user"), replica.cpu_user)
            busy.add_metric((replica.replica_id, "system"), replica.cpu_system)
        yield from (cores, used, busy)
        for name, doc, field in _DEVICE_GAUGES:
            gauge = GaugeMetricFamily(name, doc, labels=("uuid",))
            for device in sample.devices:
                if (value := getattr(device, field)) >= 0:
                    gauge.add_metric((device.uuid,), value)
            yield gauge

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

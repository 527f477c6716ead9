"""Metrics of model files: what was fetched, what is being fetched, what failed, what is kept."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from roundhouse_common.contracts.provisioning import FilesState
from roundhouse_node_agent.models.provision import ModelFiles

__all__ = ["FilesCollector"]


class FilesCollector(Collector):
    """Reads what was known at the last look when it is scraped."""

    def __init__(self, files: ModelFiles) -> None:
        self._files = files

    def collect(self) -> Iterator[Metric]:
        files = self._files
        yield CounterMetricFamily(
            "roundhouse_model_fetched_bytes", "Of model files, by this agent.", value=files.fetched_bytes
        )
        yield CounterMetricFamily(
            "roundhouse_model_transfer_failures", "Transfers that ended badly.", value=files.failed_transfers
        )
        yield GaugeMetricFamily("roundhouse_model_transfers_active", "Now.", value=len(files.transfers()))
        states = Counter(model.state for model in files.states())
        models = GaugeMetricFamily("roundhouse_node_models", "On this node, by state.", labels=("state",))
        for state in FilesState:
            models.add_metric((state.value,), states[state])
        yield models
        if files.is_looked_at:
            total, free = files.disk
            yield GaugeMetricFamily("roundhouse_model_disk_bytes", "Of the models' file system.", value=total)
            yield GaugeMetricFamily("roundhouse_model_disk_free_bytes", "At the last look.", value=free)

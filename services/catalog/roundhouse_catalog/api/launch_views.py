"""What a deployment and a template have in common, as it is shown."""

from typing import Annotated

from roundhouse_catalog.api.schemas import View, known_values
from roundhouse_catalog.domain.placement import ANTI_AFFINITIES, STRATEGIES
from roundhouse_catalog.domain.settings import ROLLOUT_STRATEGIES

__all__ = ["AlternativeView", "AutoscaleView", "MemoryNeedView", "PlacementView", "ResourcesView", "RolloutView"]


class ResourcesView(View):
    """What one replica claims."""

    memory_bytes: int | None
    cpu_millis: int
    device_count: int
    node_count: int
    is_exclusive: bool


class PlacementView(View):
    """Which nodes may run a replica; empty means any."""

    node_labels: dict[str, str]
    region: str
    zone: str
    device_vendor: str
    device_model: str
    device_uuids: list[str]
    node_ids: list[str]
    strategy: Annotated[str, known_values(STRATEGIES)]
    node_anti_affinity: Annotated[str, known_values(ANTI_AFFINITIES)]
    zone_anti_affinity: Annotated[str, known_values(ANTI_AFFINITIES)]


class AlternativeView(View):
    """How to run on one class of devices."""

    name: str
    device_vendor: str
    device_model: str
    resources: ResourcesView
    parameters: dict[str, str]


class MemoryNeedView(View):
    """What one replica takes, in bytes on each device, or of the host without devices."""

    weights_bytes: int
    kv_cache_bytes: int
    activation_bytes: int
    overhead_bytes: int
    total_bytes: int
    context_tokens: int
    concurrency: int
    devices: int


class RolloutView(View):
    """How one version replaces another."""

    strategy: Annotated[str, known_values(ROLLOUT_STRATEGIES)]
    max_surge: int
    max_unavailable: int
    min_ready_s: float
    progress_deadline_s: float
    is_rolled_back: bool


class WindowView(View):
    """Other bounds at certain hours."""

    name: str
    cron: str
    timezone: str
    duration_s: float
    min_replicas: int
    max_replicas: int


class AutoscaleView(View):
    """How many replicas follow the load."""

    min_replicas: int
    max_replicas: int
    target_in_flight: float
    target_queue: float
    target_ttft_s: float
    up_stabilization_s: float
    down_stabilization_s: float
    idle_s: float
    windows: list[WindowView]

"""What a deployment and a template have in common: how something is launched. Bodies that come in."""

from typing import Annotated

from pydantic import Field

from roundhouse_catalog.api.schemas import Body, known_values
from roundhouse_catalog.domain.drafts import (
    AlternativeDraft,
    DeploymentDraft,
    PlacementDraft,
    ResourcesDraft,
    RolloutDraft,
    VersionDraft,
)
from roundhouse_catalog.domain.engines import ENGINES
from roundhouse_catalog.domain.placement import ANTI_AFFINITIES, STRATEGIES
from roundhouse_catalog.domain.settings import ACCESSES, ROLLOUT_STRATEGIES
from roundhouse_common.contracts.catalog import (
    AntiAffinity,
    Autoscale,
    EngineKind,
    PlacementStrategy,
    ReplicaWindow,
    RolloutStrategy,
)
from roundhouse_common.contracts.routing import Access

__all__ = [
    "AccessName",
    "AlternativeBody",
    "AutoscaleBody",
    "EngineName",
    "Launch",
    "PlacementBody",
    "ResourcesBody",
    "RolloutBody",
]

AccessName = Annotated[str, known_values(ACCESSES)]
EngineName = Annotated[str, known_values({engine.value: engine for engine in ENGINES})]
StrategyName = Annotated[str, known_values(STRATEGIES)]
AntiAffinityName = Annotated[str, known_values(ANTI_AFFINITIES)]
RolloutName = Annotated[str, known_values(ROLLOUT_STRATEGIES)]


class ResourcesBody(Body):
    """What one replica claims."""

    memory_bytes: int | None = Field(
        default=None,
        description="Host memory, or memory on each device when there are any. "
        "Absent: the model's, else what follows from the model's files.",
    )
    cpu_millis: int = Field(default=0, description="Thousandths of a core to reserve.")
    device_count: int = Field(default=0, description="Accelerators on each node; 0 runs on the CPU.")
    node_count: int = Field(default=1, description="More than 1: a replica spans so many nodes.")
    is_exclusive: bool = Field(default=False, description="Take the devices whole, however little memory is needed.")

    def draft(self) -> ResourcesDraft:
        return ResourcesDraft(
            memory_bytes=self.memory_bytes,
            cpu_millis=self.cpu_millis,
            device_count=self.device_count,
            node_count=self.node_count,
            is_exclusive=self.is_exclusive,
        )


class PlacementBody(Body):
    """Which nodes may run a replica; empty means any."""

    node_labels: dict[str, str] = Field(default={})
    region: str = ""
    zone: str = ""
    device_vendor: str = ""
    device_model: str = Field(default="", description="With `*` for any part, e.g. `*H100*`.")
    device_uuids: list[str] = Field(default=[], description="Exactly these devices.")
    node_ids: list[str] = Field(default=[], description="Only these nodes.")
    strategy: StrategyName = Field(
        default=PlacementStrategy.SPREAD.value, description="Over many nodes, or onto few so that others stay free."
    )
    node_anti_affinity: AntiAffinityName = AntiAffinity.PREFERRED.value
    zone_anti_affinity: AntiAffinityName = AntiAffinity.PREFERRED.value

    def draft(self) -> PlacementDraft:
        return PlacementDraft(
            node_labels=self.node_labels,
            region=self.region,
            zone=self.zone,
            device_vendor=self.device_vendor,
            device_model=self.device_model,
            device_uuids=tuple(self.device_uuids),
            node_ids=tuple(self.node_ids),
            strategy=self.strategy,
            node_anti_affinity=self.node_anti_affinity,
            zone_anti_affinity=self.zone_anti_affinity,
        )


class AlternativeBody(Body):
    """How to run on one class of devices. The first that fits a node is taken there."""

    name: str = Field(examples=["h100"])
    device_vendor: str = ""
    device_model: str = Field(default="", description="With `*` for any part, e.g. `*H100*`.")
    resources: ResourcesBody = Field(default=ResourcesBody())
    parameters: dict[str, str] = Field(default={}, description="Laid over the version's own.")

    def draft(self) -> AlternativeDraft:
        return AlternativeDraft(
            name=self.name,
            device_vendor=self.device_vendor,
            device_model=self.device_model,
            resources=self.resources.draft(),
            parameters=self.parameters,
        )


class RolloutBody(Body):
    """How one version replaces another."""

    strategy: RolloutName = RolloutStrategy.ROLLING.value
    max_surge: int = Field(default=1, description="Replicas beyond the wanted number that may exist meanwhile.")
    max_unavailable: int = Field(default=0, description="Replicas that may be missing meanwhile.")
    min_ready_s: float = Field(default=0.0, description="How long a new replica must have been ready before it counts.")
    progress_deadline_s: float = Field(
        default=900.0, description="A version of which no further replica became available for so long has failed."
    )
    is_rolled_back: bool = Field(default=True, description="Whether a failed version gives way to the one before it.")

    def draft(self) -> RolloutDraft:
        return RolloutDraft(
            strategy=self.strategy,
            max_surge=self.max_surge,
            max_unavailable=self.max_unavailable,
            min_ready_s=self.min_ready_s,
            progress_deadline_s=self.progress_deadline_s,
            is_rolled_back=self.is_rolled_back,
        )


class WindowBody(Body):
    """Other bounds at certain hours."""

    name: str = Field(examples=["office hours"])
    cron: str = Field(description="Five fields: when the window opens.", examples=["0 8 * * mon-fri"])
    timezone: str = Field(default="UTC", examples=["Europe/Berlin"])
    duration_s: float = Field(examples=[36_000.0])
    min_replicas: int
    max_replicas: int

    def window(self) -> ReplicaWindow:
        return ReplicaWindow(
            name=self.name,
            cron=self.cron,
            timezone=self.timezone,
            duration_s=self.duration_s,
            min_replicas=self.min_replicas,
            max_replicas=self.max_replicas,
        )


class AutoscaleBody(Body):
    """How many replicas follow the load. A target of 0 is not looked at."""

    min_replicas: int = Field(default=1, description="0: none is left after `idle_s` without a request.")
    max_replicas: int = 1
    target_in_flight: float = Field(default=0.0, description="Requests in flight per ready replica.")
    target_queue: float = Field(default=0.0, description="Requests waiting in each engine.")
    target_ttft_s: float = Field(default=0.0, description="Mean time to first token.")
    up_stabilization_s: float = Field(default=0.0, description="The load must have asked for more for so long.")
    down_stabilization_s: float = Field(default=300.0, description="The load must have asked for less for so long.")
    idle_s: float = 600.0
    windows: list[WindowBody] = Field(default=[])

    def autoscale(self) -> Autoscale:
        return Autoscale(
            min_replicas=self.min_replicas,
            max_replicas=self.max_replicas,
            target_in_flight=self.target_in_flight,
            target_queue=self.target_queue,
            target_ttft_s=self.target_ttft_s,
            up_stabilization_s=self.up_stabilization_s,
            down_stabilization_s=self.down_stabilization_s,
            idle_s=self.idle_s,
            windows=tuple(window.window() for window in self.windows),
        )


class Launch(Body):
    """Everything of a deployment but its name and its model."""

    engine: EngineName = EngineKind.LLAMA_CPP.value
    engine_version: str = Field(
        default="", description="Exactly this version of the engine; empty: whatever a node has.", examples=["0.11.0"]
    )
    installs_engine: bool = Field(
        default=False, description="Whether a node without the engine may install it for this deployment."
    )
    parameters: dict[str, str] = Field(
        default={}, description="Engine parameters, all as texts.", examples=[{"parallel": "4"}]
    )
    replicas: int = Field(default=1, description="0 to 1000. With `autoscale` the number to begin with.")
    resources: ResourcesBody = Field(default=ResourcesBody())
    placement: PlacementBody = Field(default=PlacementBody())
    alternatives: list[AlternativeBody] = Field(
        default=[], description="In order of preference; empty: `resources` and `parameters` alone."
    )
    disconnect_grace_s: float = Field(
        default=60.0, description="How long a node may be silent, past its lease, before its replicas are replaced."
    )
    drain_timeout_s: float = Field(default=30.0, description="How long requests in flight may go on at a stop.")
    rollout: RolloutBody = Field(default=RolloutBody())
    autoscale: AutoscaleBody | None = None
    is_evictable: bool = Field(
        default=False, description="While idle it may be put to sleep to make room; the next request wakes it."
    )
    wake_timeout_s: float = Field(default=300.0, description="How long a request waits for a deployment that sleeps.")
    failure_budget: int = Field(
        default=10, description="So many failed starts in a row and a replica rests until its version is restarted."
    )
    access: AccessName = Field(
        default=Access.PRIVATE.value,
        description="Whose API keys may use it: `private`: its maker's, its project's and those that name it; "
        "`tenant`: those of its tenant; `public`: all (needs `platform:admin`).",
    )

    def launch(self, name: str = "") -> DeploymentDraft:
        return DeploymentDraft(
            name=name,
            replicas=self.replicas,
            version=VersionDraft(
                engine=self.engine,
                parameters=self.parameters,
                resources=self.resources.draft(),
                placement=self.placement.draft(),
                alternatives=tuple(one.draft() for one in self.alternatives),
                engine_version=self.engine_version,
                installs_engine=self.installs_engine,
            ),
            disconnect_grace_s=self.disconnect_grace_s,
            drain_timeout_s=self.drain_timeout_s,
            rollout=self.rollout.draft(),
            autoscale=self.autoscale.autoscale() if self.autoscale else None,
            is_evictable=self.is_evictable,
            wake_timeout_s=self.wake_timeout_s,
            failure_budget=self.failure_budget,
            access=self.access,
        )

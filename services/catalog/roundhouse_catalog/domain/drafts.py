"""What callers wrote, not yet checked: texts and numbers, with the defaults of what they left out."""

from dataclasses import dataclass, field

from msgspec import UNSET, UnsetType

from roundhouse_common.contracts.catalog import AntiAffinity, Autoscale, EngineKind, PlacementStrategy, RolloutStrategy
from roundhouse_common.contracts.routing import Access

__all__ = [
    "AlternativeDraft",
    "DeploymentDraft",
    "DeploymentPatch",
    "PlacementDraft",
    "ResourcesDraft",
    "RolloutDraft",
    "VersionDraft",
    "VersionPatch",
    "Way",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcesDraft:
    """What one replica claims."""

    memory_bytes: int | None = None
    """None: what the model says, or what follows from its files."""
    cpu_millis: int = 0
    device_count: int = 0
    node_count: int = 1
    is_exclusive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementDraft:
    """Which nodes may run a replica; empty means any."""

    node_labels: dict[str, str] = field(default_factory=dict)
    region: str = ""
    zone: str = ""
    device_vendor: str = ""
    device_model: str = ""
    device_uuids: tuple[str, ...] = ()
    node_ids: tuple[str, ...] = ()
    strategy: str = PlacementStrategy.SPREAD.value
    node_anti_affinity: str = AntiAffinity.PREFERRED.value
    zone_anti_affinity: str = AntiAffinity.PREFERRED.value


@dataclass(frozen=True, slots=True, kw_only=True)
class AlternativeDraft:
    """How a version runs on one class of devices."""

    name: str
    device_vendor: str = ""
    device_model: str = ""
    resources: ResourcesDraft = field(default_factory=ResourcesDraft)
    parameters: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDraft:
    """A version; the model is found by the caller of the decision."""

    engine: str = EngineKind.LLAMA_CPP.value
    parameters: dict[str, str] = field(default_factory=dict)
    resources: ResourcesDraft = field(default_factory=ResourcesDraft)
    placement: PlacementDraft = field(default_factory=PlacementDraft)
    alternatives: tuple[AlternativeDraft, ...] = ()
    template: str = ""
    """`name@number` of the template it is made from."""
    engine_version: str = ""
    """Empty: whatever a node has."""
    installs_engine: bool = False

    @property
    def ways(self) -> "tuple[Way, ...]":
        """How it can run: the version itself, and each alternative.

        Where only alternatives state resources, the first stands for the version itself.
        """
        others = tuple(
            Way(
                path=f"alternatives.{index}.",
                resources=one.resources,
                parameters={**self.parameters, **one.parameters},
                stated=one.parameters,
            )
            for index, one in enumerate(self.alternatives)
        )
        if others and self.resources == ResourcesDraft():
            return others
        return (Way(path="", resources=self.resources, parameters=self.parameters, stated=self.parameters), *others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to run a version. The first of several is what the version claims before it has a place."""

    path: str
    """What stands before its fields in errors."""
    resources: ResourcesDraft
    parameters: dict[str, str]
    """The version's, with its own laid over."""
    stated: dict[str, str]
    """Its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPatch:
    """What a new version changes; None keeps what the active version has."""

    engine: str | None = None
    parameters: dict[str, str] | None = None
    resources: ResourcesDraft | None = None
    placement: PlacementDraft | None = None
    alternatives: tuple[AlternativeDraft, ...] | None = None
    engine_version: str | None = None
    installs_engine: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutDraft:
    """How one version replaces another."""

    strategy: str = RolloutStrategy.ROLLING.value
    max_surge: int = 1
    max_unavailable: int = 0
    min_ready_s: float = 0.0
    progress_deadline_s: float = 900.0
    is_rolled_back: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentDraft:
    """A deployment."""

    name: str = ""
    """Empty: what the model's name is as a DNS name."""
    replicas: int = 1
    version: VersionDraft = field(default_factory=VersionDraft)
    disconnect_grace_s: float = 60.0
    drain_timeout_s: float = 30.0
    rollout: RolloutDraft = field(default_factory=RolloutDraft)
    autoscale: Autoscale | None = None
    is_evictable: bool = False
    wake_timeout_s: float = 300.0
    failure_budget: int = 10
    access: str = Access.PRIVATE.value


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentPatch:
    """The settings to change; None leaves a setting as it is, except that None switches automatic scaling off."""

    replicas: int | None = None
    disconnect_grace_s: float | None = None
    drain_timeout_s: float | None = None
    rollout: RolloutDraft | None = None
    autoscale: Autoscale | UnsetType | None = UNSET
    is_evictable: bool | None = None
    wake_timeout_s: float | None = None
    failure_budget: int | None = None
    access: str | None = None

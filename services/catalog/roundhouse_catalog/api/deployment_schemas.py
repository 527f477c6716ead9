"""Bodies of `/deployments`."""

from typing import Annotated, Self

from pydantic import Field

from roundhouse_catalog.api.model_schemas import SourceView
from roundhouse_catalog.api.schemas import Body, View, known_values
from roundhouse_catalog.domain.deployments import Deployment, DeploymentDraft, DeploymentPatch
from roundhouse_catalog.domain.engines import ENGINES
from roundhouse_catalog.domain.versions import ResourcesDraft, Version, VersionDraft, VersionPatch
from roundhouse_common.contracts.catalog import DeploymentDesired, EngineKind, Placement
from roundhouse_common.http import Timestamp

__all__ = ["DeploymentChanges", "DeploymentToCreate", "DeploymentView", "VersionToCreate", "VersionView"]

EngineName = Annotated[str, known_values({engine.value: engine for engine in ENGINES})]
_DESIRED = {desired.value: desired for desired in (DeploymentDesired.RUN, DeploymentDesired.STOP)}


class ResourcesBody(Body):
    """What one replica claims."""

    memory_bytes: int | None = Field(
        default=None, description="Host memory, or memory on each device when there are any. Absent: the model's."
    )
    cpu_millis: int = Field(default=0, description="Thousandths of a core to reserve.")
    device_count: int = Field(default=0, description="Accelerators; 0 runs on the CPU.")

    def draft(self) -> ResourcesDraft:
        return ResourcesDraft(
            memory_bytes=self.memory_bytes, cpu_millis=self.cpu_millis, device_count=self.device_count
        )


class PlacementBody(Body):
    """Which nodes may run a replica; empty means any."""

    node_labels: dict[str, str] = Field(default={})
    region: str = ""
    device_vendor: str = ""

    def placement(self) -> Placement:
        return Placement(node_labels=self.node_labels, region=self.region, device_vendor=self.device_vendor)


class DeploymentToCreate(Body):
    """A deployment to create; it starts at once."""

    name: str = Field(
        description="What clients send as `model`: a lower-case DNS name of at most 63 characters.",
        examples=["smollm2-135m-instruct"],
    )
    model: str = Field(description="Id or name of a model in the catalog.")
    engine: EngineName = EngineKind.LLAMA_CPP.value
    parameters: dict[str, str] = Field(
        default={}, description="Engine parameters, all as texts.", examples=[{"parallel": "4"}]
    )
    replicas: int = Field(default=1, description="0 to 1000.")
    resources: ResourcesBody = Field(default=ResourcesBody())
    placement: PlacementBody = Field(default=PlacementBody())
    disconnect_grace_s: float = Field(
        default=60.0, description="How long a node may be silent, past its lease, before its replicas are replaced."
    )
    drain_timeout_s: float = Field(default=30.0, description="How long requests in flight may go on at a stop.")

    def draft(self) -> DeploymentDraft:
        return DeploymentDraft(
            name=self.name,
            replicas=self.replicas,
            version=VersionDraft(
                engine=self.engine,
                parameters=self.parameters,
                resources=self.resources.draft(),
                placement=self.placement.placement(),
            ),
            disconnect_grace_s=self.disconnect_grace_s,
            drain_timeout_s=self.drain_timeout_s,
        )


class DeploymentChanges(Body):
    """The settings to change; absent or null leaves a setting as it is. What runs is changed by a new version."""

    replicas: int | None = None
    disconnect_grace_s: float | None = None
    drain_timeout_s: float | None = None

    def patch(self) -> DeploymentPatch:
        return DeploymentPatch(
            replicas=self.replicas,
            disconnect_grace_s=self.disconnect_grace_s,
            drain_timeout_s=self.drain_timeout_s,
        )


class VersionToCreate(Body):
    """What the new version changes; absent or null keeps what the active version has. Objects are replaced whole."""

    model: str | None = Field(default=None, description="Id or name of a model in the catalog.")
    engine: EngineName | None = None
    parameters: dict[str, str] | None = None
    resources: ResourcesBody | None = None
    placement: PlacementBody | None = None

    def patch(self) -> VersionPatch:
        return VersionPatch(
            engine=self.engine,
            parameters=self.parameters,
            resources=self.resources.draft() if self.resources else None,
            placement=self.placement.placement() if self.placement else None,
        )


class ResourcesView(View):
    """What one replica claims."""

    memory_bytes: int
    cpu_millis: int
    device_count: int


class PlacementView(View):
    """Which nodes may run a replica; empty means any."""

    node_labels: dict[str, str]
    region: str
    device_vendor: str


class VersionView(View):
    """One version of a deployment. It never changes."""

    id: str
    number: int
    model_id: str
    model_name: str
    model_kind: str
    source: SourceView
    context_length: int
    engine: str
    parameters: dict[str, str]
    resources: ResourcesView
    placement: PlacementView
    created_at: Timestamp
    created_by: str

    @classmethod
    def of(cls, version: Version) -> Self:
        spec = version.spec
        return cls(
            id=spec.version_id,
            number=spec.number,
            model_id=spec.model_id,
            model_name=spec.model_name,
            model_kind=spec.model_kind.value,
            source=SourceView(kind=spec.source.kind.value, uri=spec.source.uri),
            context_length=spec.context_length,
            engine=spec.engine.value,
            parameters=spec.parameters,
            resources=ResourcesView(
                memory_bytes=spec.resources.memory_bytes,
                cpu_millis=spec.resources.cpu_millis,
                device_count=spec.resources.device_count,
            ),
            placement=PlacementView(
                node_labels=spec.placement.node_labels,
                region=spec.placement.region,
                device_vendor=spec.placement.device_vendor,
            ),
            created_at=version.created_at,
            created_by=version.created_by,
        )


class DeploymentView(View):
    """What is wanted. What there is, is the scheduler's to tell."""

    id: str = Field(examples=["dep_0193a0c5f0d97c3e8a4b5c6d7e8f9012"])
    name: str
    tenant_id: str
    desired: Annotated[str, known_values(_DESIRED)]
    replicas: int
    generation: int
    active_version: VersionView
    disconnect_grace_s: float
    drain_timeout_s: float
    created_at: Timestamp
    created_by: str
    updated_at: Timestamp
    updated_by: str

    @classmethod
    def of(cls, deployment: Deployment) -> Self:
        return cls(
            id=deployment.deployment_id,
            name=deployment.name,
            tenant_id=deployment.tenant_id,
            desired=deployment.desired.value,
            replicas=deployment.replicas,
            generation=deployment.generation,
            active_version=VersionView.of(deployment.version),
            disconnect_grace_s=deployment.disconnect_grace_s,
            drain_timeout_s=deployment.drain_timeout_s,
            created_at=deployment.created_at,
            created_by=deployment.created_by,
            updated_at=deployment.updated_at,
            updated_by=deployment.updated_by,
        )

"""Bodies of `/deployments`."""

from typing import Annotated, Self

from msgspec import UNSET
from pydantic import Field

from roundhouse_catalog.api.launch_schemas import (
    AccessName,
    AlternativeBody,
    AutoscaleBody,
    EngineName,
    Launch,
    PlacementBody,
    ResourcesBody,
    RolloutBody,
)
from roundhouse_catalog.api.launch_views import (
    AlternativeView,
    AutoscaleView,
    MemoryNeedView,
    PlacementView,
    ResourcesView,
    RolloutView,
)
from roundhouse_catalog.api.model_schemas import DefaultsView, SourceView
from roundhouse_catalog.api.schemas import Body, View, known_values
from roundhouse_catalog.domain.deployments import Deployment
from roundhouse_catalog.domain.drafts import DeploymentPatch, VersionPatch
from roundhouse_catalog.domain.versions import Version
from roundhouse_common.contracts.catalog import DeploymentDesired, VersionSpec
from roundhouse_common.http import Timestamp

__all__ = [
    "DeploymentChanges",
    "DeploymentToCreate",
    "DeploymentView",
    "ValidatedView",
    "VersionToCreate",
    "VersionView",
]

_DESIRED = {desired.value: desired for desired in (DeploymentDesired.RUN, DeploymentDesired.STOP)}


class DeploymentToCreate(Launch):
    """A deployment to create; it starts at once. With a template, what is stated here is laid over it."""

    name: str = Field(
        default="",
        description="What clients send as `model`: a lower-case DNS name of at most 63 characters. "
        "Absent: the model's name in that form.",
        examples=["smollm2-135m-instruct"],
    )
    model: str = Field(description="Id or name of a model in the catalog.")
    project_id: str = Field(default="", description="The project that it belongs to, for good; empty: none.")
    template: str = Field(
        default="", description="A template's `name`, or `name@number` for one that is not the newest."
    )


class DeploymentChanges(Body):
    """The settings to change; absent or null leaves a setting as it is. Objects are replaced whole.

    What runs is changed by a new version.
    """

    replicas: int | None = None
    disconnect_grace_s: float | None = None
    drain_timeout_s: float | None = None
    rollout: RolloutBody | None = None
    autoscale: AutoscaleBody | None = Field(default=None, description="null switches automatic scaling off.")
    is_evictable: bool | None = None
    wake_timeout_s: float | None = None
    failure_budget: int | None = None
    access: AccessName | None = Field(default=None, description="`public` needs `platform:admin`.")

    def patch(self) -> DeploymentPatch:
        autoscale = self.autoscale.autoscale() if self.autoscale else None
        return DeploymentPatch(
            replicas=self.replicas,
            disconnect_grace_s=self.disconnect_grace_s,
            drain_timeout_s=self.drain_timeout_s,
            rollout=self.rollout.draft() if self.rollout else None,
            autoscale=autoscale if "autoscale" in self.model_fields_set else UNSET,
            is_evictable=self.is_evictable,
            wake_timeout_s=self.wake_timeout_s,
            failure_budget=self.failure_budget,
            access=self.access,
        )


class VersionToCreate(Body):
    """What the new version changes; absent or null keeps what the active version has. Objects are replaced whole."""

    model: str | None = Field(default=None, description="Id or name of a model in the catalog.")
    engine: EngineName | None = None
    parameters: dict[str, str] | None = None
    resources: ResourcesBody | None = None
    placement: PlacementBody | None = None
    alternatives: list[AlternativeBody] | None = None
    engine_version: str | None = Field(
        default=None, description="Absent: as before, or empty when `engine` is another one."
    )
    installs_engine: bool | None = None
    activate: bool = Field(default=True, description="false: it is added, and the active version stays active.")

    def patch(self) -> VersionPatch:
        return VersionPatch(
            engine=self.engine,
            parameters=self.parameters,
            resources=self.resources.draft() if self.resources else None,
            placement=self.placement.draft() if self.placement else None,
            alternatives=None if self.alternatives is None else tuple(one.draft() for one in self.alternatives),
            engine_version=self.engine_version,
            installs_engine=self.installs_engine,
        )


class VersionView(View):
    """One version of a deployment. It never changes, except in whether it is the active one."""

    id: str
    number: int
    is_active: bool = Field(description="Whether it is the one that is wanted. Its state is the scheduler's to tell.")
    model_id: str
    model_name: str
    model_kind: str
    source: SourceView
    context_length: int
    architecture: str = Field(description="As the model's files say it; empty when nobody has read them.")
    engine: str
    engine_version: str = Field(description="Empty: whatever a node has.")
    installs_engine: bool
    parameters: dict[str, str]
    resources: ResourcesView
    placement: PlacementView
    alternatives: list[AlternativeView]
    defaults: DefaultsView | None = Field(description="The model's, as they were when the version was made.")
    template: str = Field(description="`name@number` of the template that it was made from, or empty.")
    memory_need: MemoryNeedView | None = Field(
        description="What `resources.memory_bytes` is made of when it follows from the model's files."
    )
    alternative_needs: dict[str, MemoryNeedView] = Field(
        description="The same for alternatives, by name; those whose memory was stated are not in it."
    )
    created_at: Timestamp
    created_by: str

    @classmethod
    def of(cls, version: Version, active: VersionSpec) -> Self:
        spec = version.spec
        return cls(
            id=spec.version_id,
            number=spec.number,
            is_active=spec.version_id == active.version_id,
            model_id=spec.model_id,
            model_name=spec.model_name,
            model_kind=spec.model_kind.value,
            source=SourceView.of(spec.source),
            context_length=spec.context_length,
            architecture=spec.architecture,
            engine=spec.engine.value,
            engine_version=spec.engine_version,
            installs_engine=spec.installs_engine,
            parameters=spec.parameters,
            resources=ResourcesView.model_validate(spec.resources),
            placement=PlacementView.model_validate(spec.placement),
            alternatives=[AlternativeView.model_validate(one) for one in spec.alternatives],
            defaults=DefaultsView.of(spec.defaults),
            template=spec.template,
            memory_need=None if spec.memory_need is None else MemoryNeedView.model_validate(spec.memory_need),
            alternative_needs={
                one.name: MemoryNeedView.model_validate(one.memory_need)
                for one in spec.alternatives
                if one.memory_need is not None
            },
            created_at=version.created_at,
            created_by=version.created_by,
        )


class DeploymentView(View):
    """What is wanted. What there is, is the scheduler's to tell."""

    id: str = Field(examples=["dep_0193a0c5f0d97c3e8a4b5c6d7e8f9012"])
    name: str
    tenant_id: str
    project_id: str
    desired: Annotated[str, known_values(_DESIRED)]
    is_paused: bool
    replicas: int
    generation: int
    restarts: int
    active_version: VersionView
    disconnect_grace_s: float
    drain_timeout_s: float
    rollout: RolloutView
    autoscale: AutoscaleView | None
    is_evictable: bool
    wake_timeout_s: float
    failure_budget: int
    access: AccessName
    created_at: Timestamp
    created_by: str
    updated_at: Timestamp
    updated_by: str

    @classmethod
    def of(cls, deployment: Deployment) -> Self:
        settings = deployment.settings
        return cls(
            id=deployment.deployment_id,
            name=deployment.name,
            tenant_id=deployment.tenant_id,
            project_id=deployment.project_id,
            desired=deployment.desired.value,
            is_paused=deployment.is_paused,
            replicas=deployment.replicas,
            generation=deployment.generation,
            restarts=deployment.restarts,
            active_version=VersionView.of(deployment.version, deployment.version.spec),
            disconnect_grace_s=settings.disconnect_grace_s,
            drain_timeout_s=settings.drain_timeout_s,
            rollout=RolloutView.model_validate(settings.rollout),
            autoscale=None if settings.autoscale is None else AutoscaleView.model_validate(settings.autoscale),
            is_evictable=settings.is_evictable,
            wake_timeout_s=settings.wake_timeout_s,
            failure_budget=settings.failure_budget,
            access=settings.access.value,
            created_at=deployment.created_at,
            created_by=deployment.created_by,
            updated_at=deployment.updated_at,
            updated_by=deployment.updated_by,
        )


class ValidatedView(View):
    """What would be created. Nothing was."""

    name: str
    replicas: int
    version: VersionView
    autoscale: AutoscaleView | None

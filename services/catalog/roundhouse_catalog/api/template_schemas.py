"""Bodies of `/templates`."""

from typing import Any, Self

from pydantic import Field

from roundhouse_catalog.api.launch_schemas import Launch
from roundhouse_catalog.api.launch_views import (
    AlternativeView,
    AutoscaleView,
    PlacementView,
    ResourcesView,
    RolloutView,
)
from roundhouse_catalog.api.schemas import Body, View
from roundhouse_catalog.domain.templates import Recipe, Suits, Template
from roundhouse_common.http import Timestamp

__all__ = ["ImportedView", "NewRecipe", "SuitsBody", "TemplateToCreate", "TemplateView", "TemplatesImported"]


class SuitsBody(Body):
    """Which models a template is for; empty means any."""

    kinds: list[str] = Field(default=[], examples=[["chat"]])
    architectures: list[str] = Field(
        default=[], description="Patterns with `*` for what the model's files name.", examples=[["llama", "qwen*"]]
    )
    names: list[str] = Field(default=[], description="Patterns with `*`.", examples=[["*-instruct"]])

    def suits(self) -> Suits:
        return Suits(kinds=tuple(self.kinds), architectures=tuple(self.architectures), names=tuple(self.names))


class NewRecipe(Launch):
    """What a template holds: everything of a deployment but its name and its model."""

    description: str = ""
    suits: SuitsBody = Field(default=SuitsBody())

    def recipe(self) -> Recipe:
        return Recipe(description=self.description, suits=self.suits.suits(), launch=self.launch())


class TemplateToCreate(NewRecipe):
    """A template to create."""

    name: str = Field(description="A lower-case DNS name, unique among the templates.", examples=["chat-on-cpu"])


class SuitsView(View):
    """Which models a template is for; empty means any."""

    kinds: list[str]
    architectures: list[str]
    names: list[str]


class TemplateView(View):
    """One number of a template. It never changes; the newest is taken where none is named."""

    id: str = Field(examples=["tpl_0193a0c5f0d97c3e8a4b5c6d7e8f9012"])
    name: str
    number: int
    description: str
    suits: SuitsView
    engine: str
    engine_version: str
    installs_engine: bool
    parameters: dict[str, str]
    replicas: int
    resources: ResourcesView
    placement: PlacementView
    alternatives: list[AlternativeView]
    disconnect_grace_s: float
    drain_timeout_s: float
    rollout: RolloutView
    autoscale: AutoscaleView | None
    is_evictable: bool
    wake_timeout_s: float
    failure_budget: int
    access: str
    created_at: Timestamp
    created_by: str

    @classmethod
    def of(cls, template: Template) -> Self:
        launch = template.recipe.launch
        version = launch.version
        return cls(
            id=template.template_id,
            name=template.name,
            number=template.number,
            description=template.recipe.description,
            suits=SuitsView.model_validate(template.recipe.suits),
            engine=version.engine,
            engine_version=version.engine_version,
            installs_engine=version.installs_engine,
            parameters=version.parameters,
            replicas=launch.replicas,
            resources=ResourcesView.model_validate(version.resources),
            placement=PlacementView.model_validate(version.placement),
            alternatives=[AlternativeView.model_validate(one) for one in version.alternatives],
            disconnect_grace_s=launch.disconnect_grace_s,
            drain_timeout_s=launch.drain_timeout_s,
            rollout=RolloutView.model_validate(launch.rollout),
            autoscale=None if launch.autoscale is None else AutoscaleView.model_validate(launch.autoscale),
            is_evictable=launch.is_evictable,
            wake_timeout_s=launch.wake_timeout_s,
            failure_budget=launch.failure_budget,
            access=launch.access,
            created_at=template.created_at,
            created_by=template.created_by,
        )

    def document(self) -> dict[str, Any]:  # Any: what `templates:import` takes
        """Return the template as a document to import elsewhere: without what only this catalog knows."""
        return self.model_dump(mode="json", exclude_none=True, exclude={"id", "number", "created_at", "created_by"})


class ImportedView(View):
    """What became of one document."""

    name: str
    number: int
    change: str = Field(description="created, updated (the next number), or unchanged.")


class TemplatesImported(View):
    """What was imported: all documents of the request, or none."""

    items: list[ImportedView]

"""Bodies of `/routes`."""

from typing import Annotated, Self

from pydantic import Field

from roundhouse_catalog.api.route_parts import (
    BalancingBody,
    CacheBody,
    FallbackBody,
    QueueBody,
    RetriesBody,
    TargetBody,
    TimeoutsBody,
)
from roundhouse_catalog.api.schemas import Body, View, known_values
from roundhouse_catalog.domain.route_drafts import RouteDraft, RoutePatch
from roundhouse_catalog.domain.route_references import KINDS
from roundhouse_catalog.domain.route_shapes import MOST_NAME, SPLITS
from roundhouse_catalog.domain.routes import Route
from roundhouse_catalog.domain.settings import ACCESSES
from roundhouse_common.contracts.routing import Access, SplitBy
from roundhouse_common.http import Timestamp

__all__ = ["RouteChanges", "RouteToCreate", "RouteView", "SettingsView"]

KindName = Annotated[str, known_values(KINDS)]
AccessName = Annotated[str, known_values(ACCESSES)]
SplitName = Annotated[str, known_values(SPLITS)]


class RouteToCreate(Body):
    """A name that clients send as `model`, and where it leads."""

    name: str = Field(
        description=f"1 to {MOST_NAME} characters; a `*` stands for any characters: an exact name wins, "
        "then the longest fixed part.",
        examples=["chat", "gpt-*"],
    )
    is_platform: bool = Field(default=False, description="For every tenant; needs `platform:admin`.")
    model_kind: KindName | None = Field(
        default=None, description="Needed only where every target is a provider's; chat if not stated."
    )
    targets: list[TargetBody] = []
    alias_of: str = Field(
        default="", description="The name of another route whose targets and settings are meant, instead of targets."
    )
    balancing: BalancingBody = BalancingBody()
    split_by: SplitName = Field(default=SplitBy.REQUEST.value, description="What a draw by weight holds for.")
    fallbacks: list[FallbackBody] = []
    timeouts: TimeoutsBody = TimeoutsBody()
    retries: RetriesBody = RetriesBody()
    queue: QueueBody = QueueBody()
    cache: CacheBody = CacheBody()
    is_coalesced: bool = Field(default=False, description="Equal requests in flight share one call of an engine.")
    is_continued: bool = Field(
        default=False, description="A stream whose engine dies goes on at another endpoint where that is possible."
    )
    key_ids: list[str] = Field(default=[], description="API keys that may use it; empty: all.")
    tenant_ids: list[str] = Field(default=[], description="Of a platform's route: tenants that may use it; empty: all.")
    access: AccessName = Field(
        default=Access.TENANT.value,
        description="Whose API keys may use it: `private`: its maker's and its project's; `tenant`: those of its "
        "tenant; `public`: all (needs `platform:admin`). It opens whatever the route leads to.",
    )
    project_id: str = Field(default="", description="The project whose keys may use it where it is private.")

    def draft(self) -> RouteDraft:
        return RouteDraft(
            name=self.name,
            is_platform=self.is_platform,
            model_kind=self.model_kind,
            targets=tuple(one.target() for one in self.targets),
            alias_of=self.alias_of,
            balancing=self.balancing.draft(),
            split_by=self.split_by,
            fallbacks=tuple(one.draft() for one in self.fallbacks),
            timeouts=self.timeouts.timeouts(),
            retries=self.retries.retries(),
            queue=self.queue.queue(),
            cache=self.cache.cache(),
            is_coalesced=self.is_coalesced,
            is_continued=self.is_continued,
            key_ids=tuple(self.key_ids),
            tenant_ids=tuple(self.tenant_ids),
            access=self.access,
            project_id=self.project_id,
        )


class RouteChanges(Body):
    """What to change; absent or null leaves it as it is. Objects and lists are replaced whole.

    A deployment's own route keeps its name, and the deployment among its targets.
    """

    name: str | None = None
    model_kind: KindName | None = None
    targets: list[TargetBody] | None = None
    alias_of: str | None = None
    balancing: BalancingBody | None = None
    split_by: SplitName | None = None
    fallbacks: list[FallbackBody] | None = None
    timeouts: TimeoutsBody | None = None
    retries: RetriesBody | None = None
    queue: QueueBody | None = None
    cache: CacheBody | None = None
    is_coalesced: bool | None = None
    is_continued: bool | None = None
    key_ids: list[str] | None = None
    tenant_ids: list[str] | None = None
    access: AccessName | None = None
    project_id: str | None = None

    def patch(self) -> RoutePatch:
        return RoutePatch(
            name=self.name,
            model_kind=self.model_kind,
            targets=None if self.targets is None else tuple(one.target() for one in self.targets),
            alias_of=self.alias_of,
            balancing=self.balancing.draft() if self.balancing else None,
            split_by=self.split_by,
            fallbacks=None if self.fallbacks is None else tuple(one.draft() for one in self.fallbacks),
            timeouts=self.timeouts.timeouts() if self.timeouts else None,
            retries=self.retries.retries() if self.retries else None,
            queue=self.queue.queue() if self.queue else None,
            cache=self.cache.cache() if self.cache else None,
            is_coalesced=self.is_coalesced,
            is_continued=self.is_continued,
            key_ids=None if self.key_ids is None else tuple(self.key_ids),
            tenant_ids=None if self.tenant_ids is None else tuple(self.tenant_ids),
            access=self.access,
            project_id=self.project_id,
        )


class SettingsView(View):
    """How requests of a route are spread, bounded and kept."""

    balancing: BalancingBody
    split_by: SplitName
    fallbacks: list[FallbackBody]
    timeouts: TimeoutsBody
    retries: RetriesBody
    queue: QueueBody
    cache: CacheBody
    is_coalesced: bool
    is_continued: bool
    key_ids: list[str]
    tenant_ids: list[str]
    access: AccessName
    project_id: str

    @classmethod
    def settings_of(cls, route: Route) -> "SettingsView":
        settings = route.settings
        return SettingsView(
            balancing=BalancingBody.of(settings.balancing),
            split_by=settings.split_by.value,
            fallbacks=[FallbackBody(reason=one.reason.value, route=one.route) for one in settings.fallbacks],
            timeouts=TimeoutsBody.of(settings.timeouts),
            retries=RetriesBody.of(settings.retries),
            queue=QueueBody.of(settings.queue),
            cache=CacheBody.of(settings.cache),
            is_coalesced=settings.is_coalesced,
            is_continued=settings.is_continued,
            key_ids=list(settings.key_ids),
            tenant_ids=list(settings.tenant_ids),
            access=settings.access.value,
            project_id=settings.project_id,
        )


class _Head(View):
    id: str = Field(examples=["rte_0193a0c5f0d97c3e8a4b5c6d7e8f9012"])
    name: str
    tenant_id: str = Field(description="Empty: of the platform.")
    is_platform: bool
    owner_id: str = Field(description="Who made it.")
    deployment_id: str = Field(description="Of a deployment's own route: it lives and dies with the deployment.")
    model_kind: KindName
    targets: list[TargetBody]
    alias_of: str


class RouteView(SettingsView, _Head):
    """A route."""

    generation: int
    created_at: Timestamp
    created_by: str
    updated_at: Timestamp
    updated_by: str

    @classmethod
    def of(cls, route: Route) -> Self:
        return cls(
            **dict(SettingsView.settings_of(route)),
            id=route.route_id,
            name=route.name,
            tenant_id=route.tenant_id,
            is_platform=route.is_platform,
            owner_id=route.owner_id,
            deployment_id=route.deployment_id,
            model_kind=route.model_kind.value,
            targets=[TargetBody.of(one) for one in route.targets],
            alias_of=route.alias_of,
            generation=route.generation,
            created_at=route.created_at,
            created_by=route.created_by,
            updated_at=route.updated_at,
            updated_by=route.updated_by,
        )

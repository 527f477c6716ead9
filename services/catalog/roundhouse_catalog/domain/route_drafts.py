"""Routes as callers want them, not yet checked: words of enumerations are still the caller's."""

from collections.abc import Mapping
from dataclasses import dataclass

from roundhouse_catalog.domain.routes import Route
from roundhouse_common.contracts.catalog import ModelKind
from roundhouse_common.contracts.routing import (
    Access,
    Balancing,
    RouteCache,
    RouteQueue,
    RouteRetries,
    RouteTarget,
    RouteTimeouts,
    SplitBy,
    Strategy,
)

__all__ = ["BalancingDraft", "FallbackDraft", "RouteDraft", "RoutePatch", "balancing_draft", "draft_of", "patched"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancingDraft:
    strategy: str = Strategy.LEAST_IN_FLIGHT.value
    weights: Mapping[str, int]
    session_header: str = ""
    load_ceiling: float = 1.5
    is_local_preferred: bool = True
    spill_in_flight: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackDraft:
    reason: str
    route: str


def balancing_draft(balancing: Balancing) -> BalancingDraft:
    """Return what is there as if a caller wanted it."""
    return BalancingDraft(
        strategy=balancing.strategy.value,
        weights=balancing.weights,
        session_header=balancing.session_header,
        load_ceiling=balancing.load_ceiling,
        is_local_preferred=balancing.is_local_preferred,
        spill_in_flight=balancing.spill_in_flight,
    )


_BALANCING = balancing_draft(Balancing())
_TIMEOUTS = RouteTimeouts()
_RETRIES = RouteRetries()
_QUEUE = RouteQueue()
_CACHE = RouteCache()


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDraft:
    """A whole route."""

    name: str
    is_platform: bool = False
    model_kind: str | None = None
    """Needed only where no target says it: those of providers do not."""
    kind_before: ModelKind = ModelKind.CHAT
    """What it is where nothing says it."""
    targets: tuple[RouteTarget, ...] = ()
    alias_of: str = ""
    balancing: BalancingDraft = _BALANCING
    split_by: str = SplitBy.REQUEST.value
    fallbacks: tuple[FallbackDraft, ...] = ()
    timeouts: RouteTimeouts = _TIMEOUTS
    retries: RouteRetries = _RETRIES
    queue: RouteQueue = _QUEUE
    cache: RouteCache = _CACHE
    is_coalesced: bool = False
    is_continued: bool = False
    key_ids: tuple[str, ...] = ()
    tenant_ids: tuple[str, ...] = ()
    access: str = Access.TENANT.value
    project_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutePatch:
    """What to change; None leaves it as it is."""

    name: str | None = None
    model_kind: str | None = None
    targets: tuple[RouteTarget, ...] | None = None
    alias_of: str | None = None
    balancing: BalancingDraft | None = None
    split_by: str | None = None
    fallbacks: tuple[FallbackDraft, ...] | None = None
    timeouts: RouteTimeouts | None = None
    retries: RouteRetries | None = None
    queue: RouteQueue | None = None
    cache: RouteCache | None = None
    is_coalesced: bool | None = None
    is_continued: bool | None = None
    key_ids: tuple[str, ...] | None = None
    tenant_ids: tuple[str, ...] | None = None
    access: str | None = None
    project_id: str | None = None


def draft_of(route: Route) -> RouteDraft:
    """Return what is there as if a caller wanted it."""
    settings = route.settings
    return RouteDraft(
        name=route.name,
        is_platform=route.is_platform,
        kind_before=route.model_kind,
        targets=route.targets,
        alias_of=route.alias_of,
        balancing=balancing_draft(settings.balancing),
        split_by=settings.split_by.value,
        fallbacks=tuple(FallbackDraft(reason=one.reason.value, route=one.route) for one in settings.fallbacks),
        timeouts=settings.timeouts,
        retries=settings.retries,
        queue=settings.queue,
        cache=settings.cache,
        is_coalesced=settings.is_coalesced,
        is_continued=settings.is_continued,
        key_ids=settings.key_ids,
        tenant_ids=settings.tenant_ids,
        access=settings.access.value,
        project_id=settings.project_id,
    )


def patched(route: Route, patch: RoutePatch) -> RouteDraft:
    """Return the route as it would be."""
    draft = draft_of(route)
    return RouteDraft(
        name=draft.name if patch.name is None else patch.name,
        is_platform=draft.is_platform,
        model_kind=patch.model_kind,
        kind_before=draft.kind_before,
        targets=draft.targets if patch.targets is None else patch.targets,
        alias_of=draft.alias_of if patch.alias_of is None else patch.alias_of,
        balancing=patch.balancing or draft.balancing,
        split_by=draft.split_by if patch.split_by is None else patch.split_by,
        fallbacks=draft.fallbacks if patch.fallbacks is None else patch.fallbacks,
        timeouts=patch.timeouts or draft.timeouts,
        retries=patch.retries or draft.retries,
        queue=patch.queue or draft.queue,
        cache=patch.cache or draft.cache,
        is_coalesced=draft.is_coalesced if patch.is_coalesced is None else patch.is_coalesced,
        is_continued=draft.is_continued if patch.is_continued is None else patch.is_continued,
        key_ids=draft.key_ids if patch.key_ids is None else patch.key_ids,
        tenant_ids=draft.tenant_ids if patch.tenant_ids is None else patch.tenant_ids,
        access=draft.access if patch.access is None else patch.access,
        project_id=draft.project_id if patch.project_id is None else patch.project_id,
    )

"""Gathers what routes and limits may name, for whom they are."""

from collections.abc import Iterable

from roundhouse_catalog.domain.limits import LimitDraft, LimitPatch, Members
from roundhouse_catalog.domain.route_drafts import RouteDraft
from roundhouse_catalog.domain.route_references import Known, Target
from roundhouse_catalog.domain.routes import is_for_tenant
from roundhouse_catalog.store.keys import existing_keys
from roundhouse_catalog.store.providers import list_providers
from roundhouse_catalog.store.routes import living_routes
from roundhouse_catalog.store.tenants import existing_tenants, existing_users
from roundhouse_common.auth import Subject, allowed
from roundhouse_common.contracts.routing import RouteTarget
from roundhouse_common.database import ReadSession
from roundhouse_common.errors import Forbidden
from roundhouse_common.routing import PLATFORM

__all__ = ["known_to", "members_of", "require_owner", "seen_by"]

_MOST_PROVIDERS = 10_000


def seen_by(subject: Subject) -> tuple[str, ...]:
    """Return whose routes and limits somebody sees: the platform's only with `platform:admin`."""
    is_admin = allowed(subject, "platform:admin", subject.tenant_id)
    return (subject.tenant_id, PLATFORM) if is_admin else (subject.tenant_id,)


def require_owner(subject: Subject, tenant_id: str) -> None:
    """Raise Forbidden when it is the platform's, and not theirs to change."""
    if tenant_id not in seen_by(subject):
        raise Forbidden("What is the platform's is for every tenant: only who has platform:admin may change it.")


async def known_to(session: ReadSession, tenant_id: str, draft: RouteDraft | None = None) -> Known:
    """Return what a route of this tenant, or of the platform, may name; of keys and tenants only the draft's."""
    is_platform = tenant_id == PLATFORM
    every = await living_routes(session, None if is_platform else (tenant_id, PLATFORM))
    routes = [one for one in every if is_platform or is_for_tenant(one, tenant_id)]
    ours = [one for one in routes if one.deployment_id and (is_platform or one.tenant_id == tenant_id)]
    providers = await list_providers(session, tenant_id, limit=_MOST_PROVIDERS)
    key_ids = {*draft.key_ids, *_matched_keys(draft.targets)} if draft else set()
    return Known(
        routes=routes,
        deployments={one.deployment_id: Target(one.name, one.model_kind) for one in ours},
        provider_ids={one.provider_id for one in providers},
        key_ids=await existing_keys(session, None if is_platform else tenant_id, key_ids),
        tenant_ids=await existing_tenants(session, draft.tenant_ids if draft else ()),
    )


async def members_of(session: ReadSession, tenant_id: str, draft: LimitDraft | LimitPatch) -> Members:
    """Return which of the ids that a draft names exist, for a limit of this tenant or of the platform."""
    is_platform = tenant_id == PLATFORM
    owner = None if is_platform else tenant_id
    routes = await living_routes(session, None if is_platform else (tenant_id, PLATFORM))
    return Members(
        tenant_ids=await existing_tenants(session, draft.tenant_ids or ()),
        user_ids=await existing_users(session, owner, draft.user_ids or ()),
        key_ids=await existing_keys(session, owner, draft.key_ids or ()),
        route_ids={one.route_id: one.alias_of for one in routes},
    )


def _matched_keys(targets: Iterable[RouteTarget]) -> set[str]:
    return {key_id for target in targets if target.match for key_id in target.match.key_ids}

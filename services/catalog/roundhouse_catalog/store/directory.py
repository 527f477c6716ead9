"""What a person or service account is in a tenant, read at one moment: for tokens, keys and refusals."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import Row, and_, or_, select

from roundhouse_catalog.store import tables
from roundhouse_common.auth import ACTIONS, PLATFORM_ACTIONS, Action, Role, Subject, SubjectKind
from roundhouse_common.database import ReadSession

__all__ = ["blocked_keys", "find_subject", "refusal_of"]

_T = tables.tenants.c
_U = tables.users.c
_M = tables.memberships.c
_SELF: frozenset[Action] = frozenset(("self:read", "self:write"))
_KNOWN = {str(role): role for role in Role}


async def find_subject(session: ReadSession, user_id: str, tenant_id: str) -> Subject | None:
    """Return what the user may do with a token for the tenant; None when they may have no such token.

    They may while they are neither deleted nor disabled, the tenant is there, and they are its member or have a role on
    the platform. A suspended tenant admits only those with a role on the platform. Its own account everybody may see.
    """
    tenant = (await session.execute(select(tables.tenants).where(_T.id == tenant_id))).one_or_none()
    user = (await session.execute(select(tables.users).where(_U.id == user_id))).one_or_none()
    if tenant is None or tenant.deleted_at is not None:
        return None
    if user is None or user.deleted_at is not None or user.is_disabled:
        return None
    query = select(tables.memberships).where(_M.tenant_id == tenant_id, _M.user_id == user_id)
    membership = (await session.execute(query)).one_or_none()
    if not user.platform_roles and (membership is None or tenant.is_suspended):
        return None
    return Subject(
        id=user.id,
        kind=SubjectKind(user.kind),
        tenant_id=tenant_id,
        roles=_roles(membership.roles) if membership else frozenset(),
        platform_roles=_roles(user.platform_roles),
        project_roles=await _project_roles(session, membership) if membership else MappingProxyType({}),
        grants=_SELF | (await _granted(session, membership) if membership else frozenset()),
    )


async def refusal_of(session: ReadSession, subject: Subject) -> str | None:
    """Return why a token that is true may not be used any more, or None. Roles that changed since wait for the next
    token; a user whom the directory does not know is one of our own services, or their tenant's word is all there is.
    """
    query = (
        select(
            tables.tenants.c.is_suspended,
            tables.tenants.c.deleted_at.label("tenant_deleted_at"),
            _U.is_disabled,
            _U.deleted_at,
        )
        .select_from(tables.tenants)
        .outerjoin(tables.users, _U.id == subject.id)
        .where(_T.id == subject.tenant_id)
    )
    row = (await session.execute(query)).one_or_none()
    if row is None or row.tenant_deleted_at is not None:
        return "the tenant of the token does not exist"
    if row.is_disabled or row.deleted_at is not None:
        return "the user of the token is disabled"
    if row.is_suspended and not subject.platform_roles:
        return "the tenant of the token is suspended"
    return None


async def blocked_keys(session: ReadSession) -> set[str]:
    """Return the ids of API keys that are refused for now: of suspended or deleted tenants, of users who are disabled,
    deleted or no longer members. Keys of a user that the directory does not know are their own tokens' business."""
    is_member = _M.user_id.is_not(None)
    has_platform_role = _U.platform_roles != ()
    is_gone = or_(_U.is_disabled, _U.deleted_at.is_not(None), and_(~is_member, ~has_platform_role))
    query = (
        select(tables.api_keys.c.id)
        .join(tables.tenants, _T.id == tables.api_keys.c.tenant_id)
        .outerjoin(tables.users, _U.id == tables.api_keys.c.user_id)
        .outerjoin(
            tables.memberships,
            and_(_M.user_id == tables.api_keys.c.user_id, _M.tenant_id == tables.api_keys.c.tenant_id),
        )
        .where(or_(_T.is_suspended, _T.deleted_at.is_not(None), and_(_U.id.is_not(None), is_gone)))
    )
    return set(await session.scalars(query))


async def _project_roles(session: ReadSession, membership: Row[Any]) -> Mapping[str, frozenset[Role]]:
    """Return the roles in projects that are not deleted."""
    there = tables.projects.c
    query = select(there.id).where(there.id.in_(list(membership.project_roles)), there.deleted_at.is_(None))
    living = set(await session.scalars(query)) if membership.project_roles else set()
    return MappingProxyType({id_: _roles(membership.project_roles[id_]) for id_ in sorted(living)})


async def _granted(session: ReadSession, membership: Row[Any]) -> frozenset[Action]:
    """Return what the tenant's own roles permit; never what belongs to no tenant."""
    if not membership.own_role_ids:
        return frozenset()
    own = tables.own_roles.c
    query = select(own.actions).where(own.id.in_(membership.own_role_ids), own.deleted_at.is_(None))
    named = {action for actions in await session.scalars(query) for action in actions}
    return frozenset(action for action in ACTIONS - PLATFORM_ACTIONS if action in named)


def _roles(names: Iterable[str]) -> frozenset[Role]:
    """Leave out roles that this version does not know: they permit nothing."""
    return frozenset(_KNOWN[name] for name in names if name in _KNOWN)

"""What API keys have lost since they were made: their owners have left the projects that they were for."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, and_, or_, select

from roundhouse_catalog.store import tables
from roundhouse_common.auth import PERMISSIONS, Action, Role, SubjectKind
from roundhouse_common.contracts.routing import Access
from roundhouse_common.database import ReadSession

__all__ = ["LostReach", "lost_reach"]

_K = tables.api_keys.c
_U = tables.users.c
_M = tables.memberships.c
_ADMIN: Action = "keys:admin"
_ADMINISTERS = frozenset(str(role) for role in Role if _ADMIN in PERMISSIONS[role])


@dataclass(frozen=True, slots=True, kw_only=True)
class LostReach:
    """Which keys are for nothing any more, and which others have lost some of the deployments that they name."""

    blocked: set[str] = field(default_factory=set)
    deployments: dict[str, set[str]] = field(default_factory=dict)
    """By key id."""


async def lost_reach(session: ReadSession) -> LostReach:
    """Return what keys of people have lost: those for a project in which their owner has no role any more, and named
    private deployments of such projects. Who has `keys:admin` in the tenant loses nothing; service accounts have no
    projects that they could leave."""
    lost = LostReach()
    own = await _administering_roles(session)
    private = await _private_deployments(session)
    query = (
        select(_K.id, _K.user_id, _K.project_id, _K.deployment_ids, _U.platform_roles)
        .add_columns(_M.roles, _M.own_role_ids, _M.project_roles)
        .join(tables.users, _U.id == _K.user_id)
        .outerjoin(tables.memberships, and_(_M.user_id == _K.user_id, _M.tenant_id == _K.tenant_id))
        .where(_U.kind == SubjectKind.USER.value, _K.revoked_at == 0, or_(_K.project_id != "", _K.deployment_ids != ()))
    )
    for row in await session.execute(query):
        if not _administers(row, own):
            _look(row, private, lost)
    return lost


def _look(row: Row[Any], private: Mapping[str, tuple[str, str]], lost: LostReach) -> None:  # Any: a row of the query
    projects = {project_id for project_id, roles in (row.project_roles or {}).items() if roles}
    if row.project_id and row.project_id not in projects:
        lost.blocked.add(row.id)
        return
    gone = set()
    for deployment_id in row.deployment_ids:
        project_id, owner = private.get(deployment_id, ("", ""))
        if project_id and project_id not in projects and owner != row.user_id:
            gone.add(deployment_id)
    if gone and gone == set(row.deployment_ids):  # without any it would be for all of them
        lost.blocked.add(row.id)
    elif gone:
        lost.deployments[row.id] = gone


def _administers(row: Row[Any], own: Collection[str]) -> bool:  # Any: as above
    named = {*row.platform_roles, *(row.roles or ())}
    return bool(named & _ADMINISTERS) or any(role_id in own for role_id in row.own_role_ids or ())


async def _administering_roles(session: ReadSession) -> set[str]:
    there = tables.own_roles.c
    rows = await session.execute(select(there.id, there.actions).where(there.deleted_at.is_(None)))
    return {row.id for row in rows if _ADMIN in row.actions}


async def _private_deployments(session: ReadSession) -> dict[str, tuple[str, str]]:
    """Return, by id, the project and the owner of deployments that only their project may use."""
    there = tables.deployments.c
    query = select(there.id, there.project_id, there.created_by).where(
        there.project_id != "", there.access == Access.PRIVATE.value, there.deleted_at.is_(None)
    )
    return {row.id: (row.project_id, row.created_by.partition(":")[2]) for row in await session.execute(query)}

"""Gathers what the rules of granting need to know, and holds changes to them."""

from collections.abc import Iterable

from roundhouse_catalog.domain.granting import Administrators, require_administrators, require_held
from roundhouse_catalog.domain.people import Known, Membership, MembershipPatch
from roundhouse_catalog.store.own_roles import own_roles
from roundhouse_catalog.store.people import administrators, tenant_names
from roundhouse_catalog.store.projects import find_project
from roundhouse_common.auth import Subject
from roundhouse_common.database import ReadSession

__all__ = ["known_in", "require_still_administered", "require_to_hold"]


async def known_in(session: ReadSession, tenant_id: str, patch: MembershipPatch) -> Known:
    """Return which of the own roles and projects that a change names exist in the tenant."""
    named = patch.project_roles or {}
    projects = [one for one in named if await find_project(session, tenant_id, one) is not None]
    return Known(own_role_ids=await own_roles(session, tenant_id), project_ids=projects)


async def require_to_hold(
    session: ReadSession, subject: Subject, before: Membership | None, after: Membership | None
) -> None:
    """Raise MoreThanHeld when the subject gives or takes what they do not hold themselves."""
    own = await own_roles(session, subject.tenant_id)
    require_held(subject, before, after, {role_id: role.actions for role_id, role in own.items()})


async def require_still_administered(session: ReadSession, before: Administrators, tenant_ids: Iterable[str]) -> None:
    """Raise LastAdministrator when what this transaction wrote leaves nobody to administer something."""
    ids = list(tenant_ids)
    require_administrators(before, await administrators(session, ids), await tenant_names(session, ids))

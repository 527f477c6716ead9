"""Who may give and take which role: nobody more than they hold themselves, and nobody takes the last administrator."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from roundhouse_catalog.domain.directory_errors import LastAdministrator, MoreThanHeld
from roundhouse_catalog.domain.own_roles import GRANTABLE
from roundhouse_catalog.domain.people import ROLES, Membership
from roundhouse_common.auth.permissions import PERMISSIONS, Role, Subject, actions_in

__all__ = [
    "Administrators",
    "require_administrators",
    "require_held",
    "require_held_actions",
    "require_held_on_platform",
]

ADMINISTRATOR = Role.ADMINISTRATOR.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Administrators:
    """Ids of users that are neither disabled nor deleted and administer something."""

    platform: frozenset[str]
    tenants: Mapping[str, frozenset[str]]
    """By tenant id."""


def require_held(
    subject: Subject, before: Membership | None, after: Membership | None, own: Mapping[str, Collection[str]]
) -> None:
    """Raise MoreThanHeld when a role comes or goes that permits what the subject may not do in the same place.

    `own` are the actions of the tenant's own roles, by id.
    """
    was, now = _tenant_roles(before), _tenant_roles(after)
    named = _permitted((was ^ now) & set(ROLES))
    for role_id in (was ^ now) - set(ROLES):
        named |= frozenset(own.get(role_id, ()))
    _refuse(subject, named - actions_in(subject), "the tenant")
    projects = {*(before.project_roles if before else ()), *(after.project_roles if after else ())}
    for project_id in sorted(projects):
        changed = _in_project(before, project_id) ^ _in_project(after, project_id)
        _refuse(subject, _permitted(changed) - actions_in(subject, project_id), f"the project {project_id}")


def require_held_actions(subject: Subject, before: Iterable[str], after: Iterable[str]) -> None:
    """Raise MoreThanHeld when a role of the tenant's own gains or loses what the subject may not do."""
    _refuse(subject, (set(before) ^ set(after)) - actions_in(subject), "the tenant")


def require_held_on_platform(subject: Subject, before: Iterable[str], after: Iterable[str]) -> None:
    """Raise MoreThanHeld when a role on the platform comes or goes that the subject's own do not include."""
    held = {action for role in subject.platform_roles for action in PERMISSIONS[role]}
    changed = {action for name in set(before) ^ set(after) for action in PERMISSIONS[ROLES[name]]}
    _refuse(subject, changed - held, "the platform")


def require_administrators(before: Administrators, after: Administrators, names: Mapping[str, str]) -> None:
    """Raise LastAdministrator when the platform, or a tenant that had an administrator, would have none.

    `names` are those of tenants, by id.
    """
    if before.platform and not after.platform:
        raise LastAdministrator("the platform")
    for tenant_id, ids in before.tenants.items():
        if ids and not after.tenants.get(tenant_id):
            raise LastAdministrator(f'the tenant "{names.get(tenant_id, tenant_id)}"')


def _refuse(subject: Subject, missing: Collection[str], place: str) -> None:
    if missing:
        raise MoreThanHeld(subject.actor, place, missing)


def _tenant_roles(membership: Membership | None) -> set[str]:
    return set() if membership is None else {*membership.roles, *membership.own_role_ids}


def _in_project(membership: Membership | None, project_id: str) -> set[str]:
    return set() if membership is None else set(membership.project_roles.get(project_id, ()))


def _permitted(roles: Iterable[str]) -> frozenset[str]:
    """Return what roles permit in a tenant: never what belongs to no tenant."""
    return frozenset(action for name in roles for action in PERMISSIONS[ROLES[name]] if action in GRANTABLE)

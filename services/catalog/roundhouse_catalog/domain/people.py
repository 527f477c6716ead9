"""Users, service accounts and what they are in a tenant. Every function decides; none does."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from roundhouse_catalog.domain import shapes
from roundhouse_catalog.domain.findings import Findings, quoted
from roundhouse_catalog.domain.history import History
from roundhouse_catalog.domain.tenants import check_name
from roundhouse_common.auth.permissions import Role, SubjectKind
from roundhouse_common.runtime import UnixTime

__all__ = [
    "ROLES",
    "Known",
    "Membership",
    "MembershipPatch",
    "User",
    "UserPatch",
    "create_user",
    "delete_user",
    "join",
    "revise_membership",
    "revise_user",
]

ROLES: Final[Mapping[str, Role]] = {one.value: one for one in Role}

_LOGIN: Final = re.compile(r"[a-z0-9](?:[a-z0-9._@+-]{0,126}[a-z0-9])?")
_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}")
_MOST_PROJECTS: Final = 200
_MOST_OWN_ROLES: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person, who may belong to several tenants, or a service account, which belongs to one."""

    user_id: str
    kind: SubjectKind = SubjectKind.USER
    tenant_id: str = ""
    """Of a service account; empty for a person."""
    name: str
    """What a person logs in with."""
    display_name: str = ""
    email: str = ""
    platform_roles: tuple[str, ...] = ()
    is_disabled: bool = False
    deleted_at: UnixTime | None = None
    history: History

    @property
    def is_active(self) -> bool:
        return not self.is_disabled and self.deleted_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserPatch:
    """What to change; None leaves it as it is."""

    name: str | None = None
    display_name: str | None = None
    email: str | None = None
    platform_roles: tuple[str, ...] | None = None
    is_disabled: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """What a user is in one tenant."""

    user_id: str
    tenant_id: str
    roles: tuple[str, ...] = ()
    own_role_ids: tuple[str, ...] = ()
    project_roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By project id."""
    history: History


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipPatch:
    """What to change; None leaves it as it is. Each is replaced whole."""

    roles: tuple[str, ...] | None = None
    own_role_ids: tuple[str, ...] | None = None
    project_roles: Mapping[str, tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Which of the ids that a membership names exist in the tenant."""

    own_role_ids: Collection[str] = ()
    project_ids: Collection[str] = ()


def create_user(user: User) -> User:
    """Return the user as it is kept. Raises InvalidInput with every fault."""
    kept = replace(user, platform_roles=_once(user.platform_roles))
    _check_user(kept)
    return kept


def revise_user(user: User, patch: UserPatch, *, now: UnixTime, actor: str) -> User:
    """Return the changed user, the same when nothing changes. Raises InvalidInput with every fault."""
    platform_roles = user.platform_roles if patch.platform_roles is None else _once(patch.platform_roles)
    revised = replace(
        user,
        name=user.name if patch.name is None else patch.name,
        display_name=user.display_name if patch.display_name is None else patch.display_name,
        email=user.email if patch.email is None else patch.email,
        platform_roles=platform_roles,
        is_disabled=user.is_disabled if patch.is_disabled is None else patch.is_disabled,
    )
    _check_user(revised)
    return user if revised == user else replace(revised, history=user.history.next(now, actor))


def delete_user(user: User, *, now: UnixTime, actor: str) -> User:
    """Return the tombstone, which may do nothing."""
    return replace(user, platform_roles=(), deleted_at=now, history=user.history.next(now, actor))


def join(
    user_id: str, tenant_id: str, patch: MembershipPatch, known: Known, *, now: UnixTime, actor: str
) -> Membership:
    """Return a new membership. Raises InvalidInput with every fault."""
    nothing = Membership(user_id=user_id, tenant_id=tenant_id, history=History.begun(now, actor))
    return _patched(nothing, patch, known)


def revise_membership(
    membership: Membership, patch: MembershipPatch, known: Known, *, now: UnixTime, actor: str
) -> Membership:
    """Return the changed membership, the same when nothing changes. Raises InvalidInput with every fault."""
    revised = _patched(membership, patch, known)
    if revised == membership:
        return membership
    return replace(revised, history=membership.history.next(now, actor))


def _patched(membership: Membership, patch: MembershipPatch, known: Known) -> Membership:
    findings = Findings()
    _check_roles(findings, "roles", patch.roles or ())
    _check_own(findings, patch.own_role_ids or (), known)
    _check_projects(findings, patch.project_roles or {}, known)
    findings.refuse()
    projects = membership.project_roles if patch.project_roles is None else patch.project_roles
    return replace(
        membership,
        roles=membership.roles if patch.roles is None else _once(patch.roles),
        own_role_ids=membership.own_role_ids if patch.own_role_ids is None else _once(patch.own_role_ids),
        project_roles={project_id: _once(roles) for project_id, roles in sorted(projects.items()) if roles},
    )


def _check_user(user: User) -> None:
    findings = Findings()
    if user.kind is SubjectKind.SERVICE_ACCOUNT:
        check_name(findings, user.name, "a service account's name")
    elif not _LOGIN.fullmatch(user.name):
        findings.add(
            "name",
            f"{quoted(user.name)} found; a login name has 1 to 128 of a-z, 0-9 and . _ @ + -, with a letter or digit "
            "at both ends",
        )
    if user.display_name:
        findings.add("display_name", shapes.text_fault(user.display_name, most=128, what="a displayed name"))
    if user.email and not (_EMAIL.fullmatch(user.email) and user.email.isprintable()):
        findings.add("email", f"{quoted(user.email)} found; state an address like ann@example.org")
    _check_roles(findings, "platform_roles", user.platform_roles)
    findings.refuse()


def _check_roles(findings: Findings, place: str, roles: Iterable[str]) -> None:
    for index, one in enumerate(roles):
        findings.add(f"{place}.{index}", shapes.choice_fault(one, ROLES))


def _check_own(findings: Findings, ids: tuple[str, ...], known: Known) -> None:
    if len(ids) > _MOST_OWN_ROLES:
        findings.add("own_role_ids", f"{len(ids)} found; {_MOST_OWN_ROLES} at most are allowed")
        return
    for index, one in enumerate(ids):
        if one not in known.own_role_ids:
            message = f"the tenant has no role of its own with the id {quoted(one)}; GET /api/v1/roles lists them"
            findings.add(f"own_role_ids.{index}", message)


def _check_projects(findings: Findings, projects: Mapping[str, tuple[str, ...]], known: Known) -> None:
    if len(projects) > _MOST_PROJECTS:
        findings.add("project_roles", f"{len(projects)} found; {_MOST_PROJECTS} at most are allowed")
        return
    for project_id, roles in projects.items():
        if project_id not in known.project_ids:
            message = f"there is no project with the id {quoted(project_id)}; GET /api/v1/projects lists them"
            findings.add("project_roles", message)
        _check_roles(findings, "project_roles", roles)


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))

"""Roles of a tenant's own: a name for some actions."""

from dataclasses import dataclass, replace

from roundhouse_catalog.domain import shapes
from roundhouse_catalog.domain.findings import Findings
from roundhouse_catalog.domain.history import History
from roundhouse_catalog.domain.people import ROLES
from roundhouse_catalog.domain.tenants import check_description, check_name
from roundhouse_common.auth.permissions import ACTIONS, PLATFORM_ACTIONS
from roundhouse_common.runtime import UnixTime

__all__ = ["GRANTABLE", "MOST_OWN_ROLES", "OwnRole", "OwnRolePatch", "create_role", "delete_role", "revise_role"]

GRANTABLE = ACTIONS - PLATFORM_ACTIONS
"""What a role in a tenant can permit."""
MOST_OWN_ROLES = 200
"""Of one tenant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRole:
    """One role that a tenant made."""

    role_id: str
    tenant_id: str
    name: str
    description: str
    actions: tuple[str, ...]
    deleted_at: UnixTime | None = None
    history: History


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRolePatch:
    """What to change; None leaves it as it is."""

    name: str | None = None
    description: str | None = None
    actions: tuple[str, ...] | None = None


def create_role(role: OwnRole) -> OwnRole:
    """Return the role as it is kept. Raises InvalidInput with every fault."""
    kept = replace(role, actions=tuple(sorted(set(role.actions))))
    _check(kept, role.actions)
    return kept


def revise_role(role: OwnRole, patch: OwnRolePatch, *, now: UnixTime, actor: str) -> OwnRole:
    """Return the changed role, the same when nothing changes. Raises InvalidInput with every fault."""
    revised = replace(
        role,
        name=role.name if patch.name is None else patch.name,
        description=role.description if patch.description is None else patch.description,
        actions=role.actions if patch.actions is None else tuple(sorted(set(patch.actions))),
    )
    _check(revised, patch.actions or ())
    return role if revised == role else replace(revised, history=role.history.next(now, actor))


def delete_role(role: OwnRole, *, now: UnixTime, actor: str) -> OwnRole:
    """Return the tombstone."""
    return replace(role, deleted_at=now, history=role.history.next(now, actor))


def _check(role: OwnRole, typed: tuple[str, ...]) -> None:
    findings = Findings()
    check_name(findings, role.name, "a role's name")
    if role.name in ROLES:
        findings.add("name", f"{role.name} is the name of a role that every tenant has; choose another")
    check_description(findings, role.description)
    if not role.actions:
        findings.add("actions", "nothing found; state at least one action")
    for index, one in enumerate(typed):
        if one in PLATFORM_ACTIONS:
            message = f"{one} is about what belongs to no tenant: only a role on the platform permits it"
            findings.add(f"actions.{index}", message)
        else:
            findings.add(f"actions.{index}", shapes.choice_fault(one, sorted(GRANTABLE)))
    findings.refuse()

"""Who is signed in, and what the console shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Me", "MyTenant", "me_of"]


@dataclass(frozen=True, slots=True)
class MyTenant:
    """A tenant that the person can switch to."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """The person. `actions` are permitted in the tenant, `project_actions` in single projects."""

    id: str
    name: str
    display_name: str
    email: str
    tenant_id: str
    tenant_name: str
    roles: Sequence[str]
    platform_roles: Sequence[str]
    actions: frozenset[str]
    project_actions: Mapping[str, frozenset[str]]
    project_names: Mapping[str, str]
    tenants: Sequence[MyTenant]
    is_operator: bool
    """Which of the two views is theirs: operations, or the standard user's."""

    def may(self, action: str, project_id: str = "") -> bool:
        """Say whether something is permitted in the tenant, or in one project of it."""
        return action in self.actions or action in self.project_actions.get(project_id, frozenset())

    def may_anywhere(self, action: str) -> bool:
        """Say whether something is permitted in the tenant or in any project: whether to show a page at all."""
        return action in self.actions or any(action in actions for actions in self.project_actions.values())

    @property
    def is_platform_wide(self) -> bool:
        """Whether they see what belongs to no tenant."""
        return bool(self.platform_roles)


def me_of(found: Mapping[str, Any]) -> Me:
    """Return the person of the catalog's `/me`."""
    return Me(
        id=found["id"],
        name=found["name"],
        display_name=found["display_name"] or found["name"],
        email=found["email"],
        tenant_id=found["tenant_id"],
        tenant_name=found["tenant_name"],
        roles=found["roles"],
        platform_roles=found["platform_roles"],
        actions=frozenset(found["actions"]),
        project_actions={one["id"]: frozenset(one["actions"]) for one in found["projects"]},
        project_names={one["id"]: one["name"] for one in found["projects"]},
        tenants=[MyTenant(one["id"], one["name"]) for one in found["tenants"]],
        is_operator=found["view"] == "operations",
    )

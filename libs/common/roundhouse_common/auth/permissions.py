"""The permission table: which role may do what. The only place that knows."""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, get_args

__all__ = [
    "ACTIONS",
    "PERMISSIONS",
    "PLATFORM_ACTIONS",
    "Action",
    "Role",
    "Subject",
    "SubjectKind",
    "actions_in",
    "allowed",
]

Action = Literal[
    "self:read",
    "self:write",
    "models:read",
    "models:write",
    "deployments:read",
    "deployments:write",
    "keys:read",
    "keys:write",
    "keys:admin",
    "routes:read",
    "routes:write",
    "limits:read",
    "limits:write",
    "providers:read",
    "providers:write",
    "replicas:read",
    "logs:read",
    "usage:own",
    "usage:read",
    "usage:export",
    "requests:read",
    "prices:read",
    "prices:write",
    "budgets:read",
    "budgets:write",
    "webhooks:read",
    "webhooks:write",
    "members:read",
    "members:write",
    "audit:read",
    "nodes:read",
    "nodes:write",
    "tenants:read",
    "tenants:write",
    "platform:admin",
]
"""`<resource>:<verb>`.

`self:*` is what everybody may do with their own account. `keys:write` covers the caller's own API keys, `keys:admin`
those of everybody in the tenant; `usage:own` what the caller's own keys used, `usage:read` what the tenant used.
`members:*` covers projects, memberships, service accounts and own roles of a tenant. `requests:read` covers the log of
requests with their texts. `platform:admin` covers what touches every tenant: rebuilding the bus, dead letters.
"""

ACTIONS: Final[frozenset[Action]] = frozenset(get_args(Action))

PLATFORM_ACTIONS: Final[frozenset[Action]] = frozenset(
    ("nodes:read", "nodes:write", "tenants:read", "tenants:write", "platform:admin")
)
"""About what belongs to no tenant: only a role on the platform permits them, whatever a tenant's role says."""


class Role(enum.StrEnum):
    """A named set of actions: the templates that every platform has. Tenants may make roles of their own."""

    ADMINISTRATOR = "administrator"
    """Everything."""
    OPERATOR = "operator"
    """Runs the machines and what is deployed; no people, no money."""
    DEPLOYER = "deployer"
    """Adds models and deploys them."""
    USER = "user"
    """Calls models with keys of their own, and sees what those used."""
    VIEWER = "viewer"
    """Sees everything but texts of requests, changes nothing."""
    FINANCE = "finance"
    """Usage, prices, budgets, exports."""


class SubjectKind(enum.StrEnum):
    """Whether a person, a program of a customer or one of our own services asks."""

    USER = "user"
    SERVICE_ACCOUNT = "service-account"
    SERVICE = "service"


def _no_projects() -> Mapping[str, frozenset[Role]]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The authenticated caller, as an access token states it. A token is for one tenant."""

    id: str
    kind: SubjectKind = SubjectKind.USER
    tenant_id: str
    roles: frozenset[Role] = frozenset()
    """In the tenant."""
    platform_roles: frozenset[Role] = frozenset()
    """Everywhere, and on what belongs to no tenant."""
    project_roles: Mapping[str, frozenset[Role]] = field(default_factory=_no_projects, hash=False)
    """By project id of the tenant: what holds in that project only."""
    grants: frozenset[Action] = frozenset()
    """From the tenant's own roles."""
    session_id: str = ""
    """Of a login; empty for tokens that were made without one."""
    issued_at: float = field(default=0.0, compare=False)
    """Unix seconds."""

    @property
    def actor(self) -> str:
        """How events and the audit name the caller, e.g. `user:usr_admin`."""
        return f"{self.kind}:{self.id}"


_SELF: Final[frozenset[Action]] = frozenset(("self:read", "self:write"))
_READ: Final[frozenset[Action]] = frozenset(
    action for action in ACTIONS if action.endswith(":read") and action not in ("requests:read", "audit:read")
)
_OWN: Final[frozenset[Action]] = _SELF | {"models:read", "deployments:read", "keys:read", "keys:write", "usage:own"}
_DEPLOY: Final[frozenset[Action]] = _OWN | {
    "models:write",
    "deployments:write",
    "replicas:read",
    "logs:read",
    "routes:read",
    "limits:read",
    "prices:read",
}
_OPERATE: Final[frozenset[Action]] = _DEPLOY | {
    "nodes:read",
    "nodes:write",
    "tenants:read",
    "routes:write",
    "limits:write",
    "providers:read",
    "providers:write",
    "usage:read",
    "keys:admin",
    "budgets:read",
}
_FINANCE: Final[frozenset[Action]] = _SELF | {
    "usage:own",
    "usage:read",
    "usage:export",
    "prices:read",
    "prices:write",
    "budgets:read",
    "budgets:write",
    "webhooks:read",
    "webhooks:write",
    "models:read",
    "deployments:read",
    "keys:read",
    "members:read",
    "tenants:read",
}

PERMISSIONS: Final[Mapping[Role, frozenset[Action]]] = {
    Role.ADMINISTRATOR: ACTIONS,
    Role.OPERATOR: _OPERATE,
    Role.DEPLOYER: _DEPLOY,
    Role.USER: _OWN,
    Role.VIEWER: _READ | {"self:write", "usage:own"},
    Role.FINANCE: _FINANCE,
}


def allowed(subject: Subject, action: Action, tenant_id: str, project_id: str = "") -> bool:
    """Say whether the subject may do the action on something of the tenant, or of one of its projects.

    A role on the platform holds everywhere. A role in a tenant holds for things of that tenant, one in a project for
    things of that project; neither for what belongs to no tenant.
    """
    if _any(subject.platform_roles, action):
        return True
    if action in PLATFORM_ACTIONS or subject.tenant_id != tenant_id:
        return False
    if action in subject.grants or _any(subject.roles, action):
        return True
    return bool(project_id) and _any(subject.project_roles.get(project_id, ()), action)


def actions_in(subject: Subject, project_id: str = "") -> frozenset[Action]:
    """Return everything that the subject may do in the tenant of its token, or in one of its projects."""
    return frozenset(action for action in ACTIONS if allowed(subject, action, subject.tenant_id, project_id))


def _any(roles: Iterable[Role], action: Action) -> bool:
    return any(action in PERMISSIONS[role] for role in roles)

"""The permission table: which role may do what. The only place that knows."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

__all__ = ["ACTIONS", "PERMISSIONS", "Action", "Role", "Subject", "SubjectKind", "allowed"]

Action = Literal[
    "models:read",
    "models:write",
    "deployments:read",
    "deployments:write",
    "keys:read",
    "keys:write",
    "routes:read",
    "routes:write",
    "limits:read",
    "limits:write",
    "providers:read",
    "providers:write",
    "nodes:read",
    "nodes:write",
    "replicas:read",
    "logs:read",
    "usage:read",
    "platform:admin",
]
"""`<resource>:<verb>`. `platform:admin` covers what touches every tenant: rebuilding the bus, dead letters."""

ACTIONS: Final[frozenset[Action]] = frozenset(get_args(Action))


class Role(enum.StrEnum):
    """A named set of actions."""

    ADMINISTRATOR = "administrator"
    VIEWER = "viewer"


class SubjectKind(enum.StrEnum):
    """Whether a person or one of our own services asks."""

    USER = "user"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The authenticated caller, as an access token states it."""

    id: str
    kind: SubjectKind = SubjectKind.USER
    tenant_id: str
    roles: frozenset[Role]

    @property
    def actor(self) -> str:
        """How events and the audit name the caller, e.g. `user:usr_admin`."""
        return f"{self.kind}:{self.id}"


_READ: Final[frozenset[Action]] = frozenset(
    (
        "models:read",
        "deployments:read",
        "keys:read",
        "routes:read",
        "limits:read",
        "providers:read",
        "nodes:read",
        "replicas:read",
        "logs:read",
        "usage:read",
    )
)

PERMISSIONS: Final[Mapping[Role, frozenset[Action]]] = {
    Role.ADMINISTRATOR: ACTIONS,
    Role.VIEWER: _READ,
}


def allowed(subject: Subject, action: Action, tenant_id: str) -> bool:
    """Say whether the subject may do the action on something of the tenant. Other tenants' things: never."""
    return subject.tenant_id == tenant_id and any(action in PERMISSIONS[role] for role in subject.roles)

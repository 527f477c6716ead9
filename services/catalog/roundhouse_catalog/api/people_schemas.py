"""Bodies of `/users`, `/members`, `/service-accounts` and `/roles`."""

from typing import Annotated, Self

from pydantic import Field

from roundhouse_catalog.api.schemas import Body, View, known_values
from roundhouse_catalog.domain.own_roles import GRANTABLE, OwnRole, OwnRolePatch
from roundhouse_catalog.domain.people import ROLES, Membership, MembershipPatch, User, UserPatch
from roundhouse_common.auth import PERMISSIONS, Role
from roundhouse_common.http import Timestamp

__all__ = [
    "AccountChanges",
    "AccountToCreate",
    "MemberChanges",
    "MemberToAdd",
    "MemberView",
    "RoleChanges",
    "RoleToCreate",
    "RoleView",
    "UserChanges",
    "UserToCreate",
    "UserView",
]

RoleName = Annotated[str, known_values(ROLES)]
ActionName = Annotated[str, known_values(dict.fromkeys(sorted(GRANTABLE)))]


class RolesBody(Body):
    """What somebody is in the tenant; absent: as it is, or nothing."""

    roles: list[RoleName] | None = None
    own_role_ids: list[str] | None = Field(default=None, description="Of the tenant's own roles.")
    project_roles: dict[str, list[RoleName]] | None = Field(
        default=None, description="By project id: what holds in that project only."
    )

    def membership(self) -> MembershipPatch:
        projects = self.project_roles
        return MembershipPatch(
            roles=None if self.roles is None else tuple(self.roles),
            own_role_ids=None if self.own_role_ids is None else tuple(self.own_role_ids),
            project_roles=None if projects is None else {one: tuple(roles) for one, roles in projects.items()},
        )


class UserToCreate(RolesBody):
    """A person whom nobody knows yet. They become a member of the caller's tenant."""

    name: str = Field(description="What they log in with.", examples=["ann@example.org"])
    display_name: str = ""
    email: str = ""
    platform_roles: list[RoleName] = Field(default=[], description="Needs `platform:admin`.")


class UserChanges(Body):
    """What to change; what is absent stays as it is."""

    name: str | None = None
    display_name: str | None = None
    email: str | None = None
    platform_roles: list[RoleName] | None = None
    is_disabled: bool | None = Field(default=None, description="Disabled: no login anywhere, API keys are refused.")

    def patch(self) -> UserPatch:
        roles = self.platform_roles
        return UserPatch(
            name=self.name,
            display_name=self.display_name,
            email=self.email,
            platform_roles=None if roles is None else tuple(roles),
            is_disabled=self.is_disabled,
        )


class UserView(View):
    """A person, or a service account."""

    id: str = Field(examples=["usr_admin"])
    kind: str
    name: str
    display_name: str
    email: str
    platform_roles: list[str]
    is_disabled: bool
    generation: int
    created_at: Timestamp
    created_by: str
    updated_at: Timestamp
    updated_by: str

    @classmethod
    def of(cls, user: User) -> Self:
        history = user.history
        return cls(
            id=user.user_id,
            kind=user.kind.value,
            name=user.name,
            display_name=user.display_name,
            email=user.email,
            platform_roles=list(user.platform_roles),
            is_disabled=user.is_disabled,
            generation=history.generation,
            created_at=history.created_at,
            created_by=history.created_by,
            updated_at=history.updated_at,
            updated_by=history.updated_by,
        )


class MemberToAdd(RolesBody):
    """A person who is known already, by their login name."""

    name: str = Field(description="What they log in with.", examples=["ann@example.org"])


class MemberChanges(RolesBody):
    """What to change; what is absent stays as it is, what is stated is replaced whole."""


class MemberView(View):
    """What somebody is in the tenant."""

    id: str = Field(description="Of the user.", examples=["usr_admin"])
    kind: str
    name: str
    display_name: str
    email: str
    is_disabled: bool
    roles: list[str]
    own_role_ids: list[str]
    project_roles: dict[str, list[str]]
    generation: int
    created_at: Timestamp
    created_by: str
    updated_at: Timestamp
    updated_by: str

    @classmethod
    def of(cls, user: User, membership: Membership) -> Self:
        history = membership.history
        return cls(
            id=user.user_id,
            kind=user.kind.value,
            name=user.name,
            display_name=user.display_name,
            email=user.email,
            is_disabled=user.is_disabled,
            roles=list(membership.roles),
            own_role_ids=list(membership.own_role_ids),
            project_roles={one: list(roles) for one, roles in membership.project_roles.items()},
            generation=history.generation,
            created_at=history.created_at,
            created_by=history.created_by,
            updated_at=history.updated_at,
            updated_by=history.updated_by,
        )


class AccountToCreate(RolesBody):
    """A program of the tenant, with keys and tokens of its own."""

    name: str = Field(examples=["nightly evaluation"])
    display_name: str = ""


class AccountChanges(Body):
    """What to change; what is absent stays as it is. Its roles are changed as those of every member."""

    name: str | None = None
    display_name: str | None = None
    is_disabled: bool | None = None

    def patch(self) -> UserPatch:
        return UserPatch(name=self.name, display_name=self.display_name, is_disabled=self.is_disabled)


class RoleToCreate(Body):
    """A name for some actions."""

    name: str = Field(examples=["log reader"])
    description: str = ""
    actions: list[ActionName]


class RoleChanges(Body):
    """What to change; what is absent stays as it is."""

    name: str | None = None
    description: str | None = None
    actions: list[ActionName] | None = None

    def patch(self) -> OwnRolePatch:
        actions = None if self.actions is None else tuple(self.actions)
        return OwnRolePatch(name=self.name, description=self.description, actions=actions)


class RoleView(View):
    """A role: a template that every tenant has, or one of the tenant's own."""

    id: str = Field(description="Of a template: its name.")
    name: str
    is_template: bool
    description: str
    actions: list[str]
    generation: int

    @classmethod
    def of(cls, role: OwnRole) -> Self:
        return cls(
            id=role.role_id,
            name=role.name,
            is_template=False,
            description=role.description,
            actions=list(role.actions),
            generation=role.history.generation,
        )

    @classmethod
    def of_template(cls, role: Role) -> Self:
        actions = sorted(PERMISSIONS[role])
        return cls(id=role.value, name=role.value, is_template=True, description="", actions=actions, generation=1)

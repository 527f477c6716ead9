"""`/api/v1/me`: who calls, where they belong, and what they may do."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from roundhouse_catalog.api.context import CatalogHere
from roundhouse_catalog.api.schemas import View
from roundhouse_catalog.domain.people import Membership
from roundhouse_catalog.store.people import find_user, memberships_of, tenant_names
from roundhouse_catalog.store.projects import list_projects
from roundhouse_common.auth import PERMISSIONS, Role, Subject, actions_in, allowed
from roundhouse_common.http import requires

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["platform"])
_OWN = PERMISSIONS[Role.USER]
_MOST_PROJECTS = 10_000


class MyTenantView(View):
    """A tenant that the caller can get a token for."""

    id: str
    name: str
    roles: list[str]


class MyProjectView(View):
    """A project that the caller has something to do with."""

    id: str
    name: str
    roles: list[str]
    actions: list[str] = Field(description="Everything that is permitted in the project.")


class MeView(View):
    """Who the access token stands for."""

    id: str
    kind: str
    name: str = Field(description="Empty for a service.")
    display_name: str
    email: str
    tenant_id: str
    tenant_name: str
    roles: list[str]
    platform_roles: list[str]
    actions: list[str] = Field(description="Everything that is permitted in the tenant.")
    tenants: list[MyTenantView]
    projects: list[MyProjectView]
    view: str = Field(
        description="What a console shows: `operations`, or `user` to those who only call models and see their own."
    )


@router.get("/me")
async def show_me(subject: Annotated[Subject, Depends(requires("self:read"))], catalog: CatalogHere) -> MeView:
    """Show who calls, where they belong, and what they may do."""
    async with catalog.db.read() as session:
        user = await find_user(session, None, subject.id)
        memberships = await memberships_of(session, subject.id)
        names = await tenant_names(session, {subject.tenant_id, *(one.tenant_id for one in memberships)})
        projects = await list_projects(session, subject.tenant_id, limit=_MOST_PROJECTS)
    mine = [
        MyProjectView(
            id=one.project_id,
            name=one.name,
            roles=sorted(subject.project_roles.get(one.project_id, ())),
            actions=sorted(actions_in(subject, one.project_id)),
        )
        for one in projects
        if allowed(subject, "deployments:read", subject.tenant_id, one.project_id)
    ]
    return MeView(
        id=subject.id,
        kind=subject.kind,
        name=user.name if user else "",
        display_name=user.display_name if user else "",
        email=user.email if user else "",
        tenant_id=subject.tenant_id,
        tenant_name=names.get(subject.tenant_id, ""),
        roles=sorted(subject.roles),
        platform_roles=sorted(subject.platform_roles),
        actions=sorted(actions_in(subject)),
        tenants=[_tenant(one, names) for one in memberships],
        projects=mine,
        view=view_of(subject),
    )


def view_of(subject: Subject) -> str:
    """Return which of the two views is theirs: whoever may do more than a standard user, anywhere, operates."""
    everything = actions_in(subject).union(*(actions_in(subject, one) for one in subject.project_roles))
    return "user" if everything <= _OWN else "operations"


def _tenant(membership: Membership, names: dict[str, str]) -> MyTenantView:
    return MyTenantView(id=membership.tenant_id, name=names[membership.tenant_id], roles=sorted(membership.roles))

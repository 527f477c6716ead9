"""`roundhouse users`: people, and what they are in the tenant."""

from typing import Annotated

import typer

from roundhouse_cli.commands.directory_parts import OwnRoles, ProjectRoles, Roles, role_words, roles_body, tell
from roundhouse_cli.commands.launch_options import given
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.commands.ownership import OWNED, Abandon, Successor, leaving
from roundhouse_cli.errors import UsageFault
from roundhouse_cli.output import Column, OutputFormat, note, show_items
from roundhouse_cli.resolve import pick
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.units import age

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Users and their roles: list, create, add, change, remove.")

_PATH = "/api/v1/users"
_MEMBERS = "/api/v1/members"
User = Annotated[str, typer.Argument(metavar="USER", help="A login name, an id, or a part of an id.")]
PlatformRoles = Annotated[
    list[str] | None,
    typer.Option("--platform-role", metavar="ROLE", help="Everywhere; needs platform:admin. May be repeated."),
]


@app.command("ls")
def list_users(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List the members of the tenant with their roles, service accounts too."""
    with connect(url) as services:
        own = {one["id"]: one["name"] for one in services.catalog.items("/api/v1/roles")}
        projects = {one["id"]: one["name"] for one in services.catalog.items("/api/v1/projects")}
        columns = (
            Column("ID", lambda one: one["id"]),
            Column("NAME", lambda one: one["name"]),
            Column("KIND", lambda one: one["kind"]),
            Column("STATE", lambda one: "disabled" if one["is_disabled"] else "active"),
            Column("ROLES", lambda one: role_words(one, own, projects)),
            Column("AGE", lambda one: age(one["created_at"], CLOCK)),
        )
        show_items(services.catalog.items(_MEMBERS), columns, output, empty="The tenant has no members.")


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What they log in with.")],
    display_name: Annotated[str | None, typer.Option(help="What they are called.")] = None,
    email: Annotated[str | None, typer.Option(help="Where they are written to.")] = None,
    role: Roles = None,
    own_role: OwnRoles = None,
    project_role: ProjectRoles = None,
    platform_role: PlatformRoles = None,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Add a person whom nobody knows yet, as a member of the tenant."""
    with connect(url) as services:
        body = given(display_name=display_name, email=email, platform_roles=platform_role)
        body |= roles_body(services, role, own_role, project_role)
        made = services.catalog.post(_PATH, {"name": name, **body})
        tell(made, output, f"is made: {made['id']}")


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="What they log in with.")],
    role: Roles = None,
    own_role: OwnRoles = None,
    project_role: ProjectRoles = None,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Make a person of another tenant a member of this one too."""
    with connect(url) as services:
        body = roles_body(services, role, own_role, project_role)
        tell(services.catalog.post(_MEMBERS, {"name": name, **body}), output, "is a member now")


@app.command("set")
def change(
    user: User,
    role: Roles = None,
    own_role: OwnRoles = None,
    project_role: ProjectRoles = None,
    display_name: Annotated[str | None, typer.Option(help="What they are called.")] = None,
    email: Annotated[str | None, typer.Option(help="Where they are written to.")] = None,
    platform_role: PlatformRoles = None,
    disable: Annotated[
        bool | None, typer.Option("--disable/--enable", help="Whether they may come in at all, in any tenant.")
    ] = None,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Change somebody's roles in the tenant; names, roles on the platform and --disable need platform:admin."""
    platform_roles = None if platform_role is None else [one for one in platform_role if one != "none"]
    everywhere = given(display_name=display_name, email=email, platform_roles=platform_roles, is_disabled=disable)
    with connect(url) as services:
        here = roles_body(services, role, own_role, project_role)
        if not (here or everywhere):
            raise UsageFault("State what to change; `roundhouse users set --help` lists the settings.")
        if everywhere:
            found = pick(services.catalog.items(_PATH), user, "user")
            changed = services.catalog.patch(f"{_PATH}/{found['id']}", everywhere)
        if here:
            found = _member(services, user)
            changed = services.catalog.patch(f"{_MEMBERS}/{found['id']}", here)
        tell(changed, output, "is changed")


@app.command("rm")
def remove(
    user: User,
    everywhere: Annotated[
        bool, typer.Option("--everywhere", help="Delete the person, in every tenant; needs platform:admin.")
    ] = False,
    successor: Successor = "",
    abandon: Abandon = False,
    url: Url = "",
) -> None:
    """End somebody's membership in the tenant. While they own something, say who takes it over; `roundhouse users
    owns` lists it."""
    with connect(url) as services:
        settled = leaving(services, successor, abandon=abandon)
        if everywhere:
            found = pick(services.catalog.items(_PATH), user, "user")
            services.catalog.delete(f"{_PATH}/{found['id']}", **settled)
            note(f"{found['name']} is deleted.")
        else:
            found = _member(services, user)
            services.catalog.delete(f"{_MEMBERS}/{found['id']}", **settled)
            note(f"{found['name']} is no member any more.")


@app.command("owns")
def owns(user: User, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List what is somebody's in the tenant: API keys, deployments, projects, service accounts."""
    with connect(url) as services:
        found = _member(services, user)
        owned = services.catalog.get(f"{_MEMBERS}/{found['id']}/belongings")["items"]
        show_items(owned, OWNED, output, empty=f"{found['name']} owns nothing here.")


def _member(services: Services, wanted: str) -> Item:
    return pick(services.catalog.items(_MEMBERS), wanted, "member")

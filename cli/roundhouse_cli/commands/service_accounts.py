"""`roundhouse service-accounts`: programs of the tenant."""

from typing import Annotated

import typer

from roundhouse_cli.commands.directory_parts import OwnRoles, ProjectRoles, Roles, roles_body, tell
from roundhouse_cli.commands.launch_options import given
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.commands.ownership import Abandon, Successor, leaving
from roundhouse_cli.errors import UsageFault
from roundhouse_cli.output import Column, OutputFormat, note, show_items
from roundhouse_cli.resolve import pick
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.units import age

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Service accounts: list, create, change, remove.")

_PATH = "/api/v1/service-accounts"
_COLUMNS = (
    Column("ID", lambda one: one["id"]),
    Column("NAME", lambda one: one["name"]),
    Column("STATE", lambda one: "disabled" if one["is_disabled"] else "active"),
    Column("AGE", lambda one: age(one["created_at"], CLOCK)),
)
Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="A name, an id, or a part of an id.")]


@app.command("ls")
def list_accounts(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List the service accounts of the tenant; `roundhouse users ls` shows their roles."""
    with connect(url) as services:
        show_items(services.catalog.items(_PATH), _COLUMNS, output, empty="There are no service accounts.")


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Which program it is.")],
    role: Roles = None,
    own_role: OwnRoles = None,
    project_role: ProjectRoles = None,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Create a service account."""
    with connect(url) as services:
        made = services.catalog.post(_PATH, {"name": name, **roles_body(services, role, own_role, project_role)})
        tell(made, output, f"is made: {made['id']}")


@app.command("set")
def change(
    account: Account,
    name: Annotated[str, typer.Option(help="Another name.")] = "",
    disable: Annotated[bool | None, typer.Option("--disable/--enable", help="Whether it may come in.")] = None,
    role: Roles = None,
    own_role: OwnRoles = None,
    project_role: ProjectRoles = None,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Change a service account or its roles; what is not stated stays."""
    itself = given(name=name or None, is_disabled=disable)
    with connect(url) as services:
        roles = roles_body(services, role, own_role, project_role)
        if not (itself or roles):
            raise UsageFault("State what to change; `roundhouse service-accounts set --help` lists the settings.")
        found = _find(services, account)
        changed = services.catalog.patch(f"{_PATH}/{found['id']}", itself) if itself else found
        if roles:
            changed = services.catalog.patch(f"/api/v1/members/{found['id']}", roles)
        tell(changed, output, "is changed")


@app.command("rm")
def remove(account: Account, successor: Successor = "", abandon: Abandon = False, url: Url = "") -> None:
    """Remove a service account. While it owns something, say who takes it over."""
    with connect(url) as services:
        found = _find(services, account)
        services.catalog.delete(f"{_PATH}/{found['id']}", **leaving(services, successor, abandon=abandon))
        note(f"{found['name']} is removed.")


def _find(services: Services, wanted: str) -> Item:
    return pick(services.catalog.items(_PATH), wanted, "service account")

"""`roundhouse roles`: the roles that every tenant has, and those of its own."""

from typing import Annotated

import typer

from roundhouse_cli.commands.directory_parts import tell
from roundhouse_cli.commands.launch_options import given
from roundhouse_cli.commands.options import Output, Url, connect
from roundhouse_cli.errors import UsageFault
from roundhouse_cli.output import Column, OutputFormat, note, show_items
from roundhouse_cli.resolve import pick
from roundhouse_cli.rest import Item, Services

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Roles: list, create, change, remove.")

_PATH = "/api/v1/roles"
_COLUMNS = (
    Column("ID", lambda one: one["id"]),
    Column("NAME", lambda one: one["name"]),
    Column("OF", lambda one: "every tenant" if one["is_template"] else "this tenant"),
    Column("PERMITS", lambda one: ", ".join(one["actions"])),
)
Role = Annotated[str, typer.Argument(metavar="ROLE", help="A name, an id, or a part of an id.")]
Actions = Annotated[
    list[str] | None, typer.Option("--action", metavar="ACTION", help="e.g. logs:read. May be repeated.")
]


@app.command("ls")
def list_roles(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List roles with what they permit."""
    with connect(url) as services:
        show_items(services.catalog.items(_PATH), _COLUMNS, output, empty="There are no roles.")


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="The role's name.")],
    action: Actions = None,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Make a role of the tenant's own, of actions that you may do yourself."""
    with connect(url) as services:
        made = services.catalog.post(_PATH, {"name": name, "actions": action or [], **given(description=description)})
        tell(made, output, f"is made: {made['id']}")


@app.command("set")
def change(
    role: Role,
    name: Annotated[str, typer.Option(help="Another name.")] = "",
    action: Actions = None,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Change a role of the tenant's own; --action replaces all of its actions."""
    body = given(name=name or None, actions=action, description=description)
    if not body:
        raise UsageFault("State what to change; `roundhouse roles set --help` lists the settings.")
    with connect(url) as services:
        found = _find(services, role)
        tell(services.catalog.patch(f"{_PATH}/{found['id']}", body), output, "is changed")


@app.command("rm")
def remove(role: Role, url: Url = "") -> None:
    """Remove a role of the tenant's own that nobody holds."""
    with connect(url) as services:
        found = _find(services, role)
        services.catalog.delete(f"{_PATH}/{found['id']}")
        note(f"{found['name']} is removed.")


def _find(services: Services, wanted: str) -> Item:
    return pick(services.catalog.items(_PATH), wanted, "role")

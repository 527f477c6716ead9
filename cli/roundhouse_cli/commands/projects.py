"""`roundhouse projects`: parts of a tenant."""

from typing import Annotated

import typer

from roundhouse_cli.commands.directory_parts import Devices, Replicas, Storage, quota_body, quota_words, tell
from roundhouse_cli.commands.launch_options import given
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.errors import UsageFault
from roundhouse_cli.output import Column, OutputFormat, note, show_items
from roundhouse_cli.resolve import pick
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.units import age

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Projects of the tenant: list, create, change, remove.")

_PATH = "/api/v1/projects"
_COLUMNS = (
    Column("ID", lambda one: one["id"]),
    Column("NAME", lambda one: one["name"]),
    Column("QUOTA", lambda one: quota_words(one)),
    Column("DESCRIPTION", lambda one: one["description"]),
    Column("AGE", lambda one: age(one["created_at"], CLOCK)),
)
Project = Annotated[str, typer.Argument(metavar="PROJECT", help="A name, an id, or a part of an id.")]
Description = Annotated[str | None, typer.Option(help="What it is for.")]


@app.command("ls")
def list_projects(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List the projects of the tenant."""
    with connect(url) as services:
        found = services.catalog.items(_PATH)
        show_items(found, _COLUMNS, output, empty="There are no projects; `roundhouse projects create` adds one.")


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="The project's name.")],
    description: Description = None,
    devices: Devices = "",
    replicas: Replicas = "",
    storage: Storage = "",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Create a project."""
    quota = quota_body(devices, replicas, storage)
    with connect(url) as services:
        made = services.catalog.post(_PATH, {"name": name, **given(description=description, quota=quota)})
        tell(made, output, f"is made: {made['id']}")


@app.command("set")
def change(
    project: Project,
    name: Annotated[str, typer.Option(help="Another name.")] = "",
    description: Description = None,
    devices: Devices = "",
    replicas: Replicas = "",
    storage: Storage = "",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Change a project; what is not stated stays. A smaller quota ends nothing that runs."""
    quota = quota_body(devices, replicas, storage)
    body = given(name=name or None, description=description, quota=quota)
    if not body:
        raise UsageFault("State what to change; `roundhouse projects set --help` lists the settings.")
    with connect(url) as services:
        found = _find(services, project)
        tell(services.catalog.patch(f"{_PATH}/{found['id']}", body), output, "is changed")


@app.command("rm")
def remove(project: Project, url: Url = "") -> None:
    """Remove a project that has neither deployments nor uploads."""
    with connect(url) as services:
        found = _find(services, project)
        services.catalog.delete(f"{_PATH}/{found['id']}")
        note(f"{found['name']} is removed.")


def _find(services: Services, wanted: str) -> Item:
    return pick(services.catalog.items(_PATH), wanted, "project")

"""`roundhouse tenants`: the organisations that share the platform."""

from typing import Annotated

import typer

from roundhouse_cli.commands.directory_parts import Devices, Replicas, Storage, quota_body, quota_words, tell
from roundhouse_cli.commands.launch_options import given
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.errors import UsageFault
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.resolve import pick
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.units import age

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Tenants: list, show, create, change, suspend, remove.")

_PATH = "/api/v1/tenants"
_COLUMNS = (
    Column("ID", lambda one: one["id"]),
    Column("NAME", lambda one: one["name"]),
    Column("STATE", lambda one: "suspended" if one["is_suspended"] else "active"),
    Column("QUOTA", lambda one: quota_words(one)),
    Column("AGE", lambda one: age(one["created_at"], CLOCK)),
)
Tenant = Annotated[str, typer.Argument(metavar="TENANT", help="A name, an id, or a part of an id.")]


@app.command("ls")
def list_tenants(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List the tenants that you may see."""
    with connect(url) as services:
        show_items(services.catalog.items(_PATH), _COLUMNS, output, empty="There are no tenants.")


@app.command("show")
def show(tenant: Tenant, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Show everything about a tenant."""
    with connect(url) as services:
        show_item(_find(services, tenant), output)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="The organisation's name.")],
    administrator: Annotated[
        list[str] | None, typer.Option(metavar="LOGIN", help="A person who administers it. May be repeated.")
    ] = None,
    devices: Devices = "",
    replicas: Replicas = "",
    storage: Storage = "",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Create a tenant."""
    with connect(url) as services:
        body = {"name": name, **given(quota=quota_body(devices, replicas, storage))}
        if administrator:
            users = services.catalog.items("/api/v1/users")
            body["administrators"] = [pick(users, one, "user")["id"] for one in administrator]
        made = services.catalog.post(_PATH, body)
        tell(made, output, f"is made: {made['id']}")


@app.command("set")
def change(
    tenant: Tenant,
    name: Annotated[str, typer.Option(help="Another name.")] = "",
    suspend: Annotated[
        bool | None,
        typer.Option("--suspend/--resume", help="Refuse its API keys and logins, or admit them again."),
    ] = None,
    devices: Devices = "",
    replicas: Replicas = "",
    storage: Storage = "",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Change a tenant; what is not stated stays. What runs goes on running."""
    quota = quota_body(devices, replicas, storage)
    body: Item = given(name=name or None, is_suspended=suspend, quota=quota)
    if not body:
        raise UsageFault("State what to change; `roundhouse tenants set --help` lists the settings.")
    with connect(url) as services:
        found = _find(services, tenant)
        tell(services.catalog.patch(f"{_PATH}/{found['id']}", body), output, "is changed")


@app.command("rm")
def remove(tenant: Tenant, url: Url = "") -> None:
    """Remove a tenant that has neither deployments nor uploads."""
    with connect(url) as services:
        found = _find(services, tenant)
        services.catalog.delete(f"{_PATH}/{found['id']}")
        note(f"{found['name']} is removed.")


def _find(services: Services, wanted: str) -> Item:
    return pick(services.catalog.items(_PATH), wanted, "tenant")

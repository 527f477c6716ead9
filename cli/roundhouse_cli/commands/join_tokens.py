"""`roundhouse nodes join-token`: what lets another host in, once."""

from typing import Annotated
from urllib.parse import urlsplit

import typer

from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.connection import Connection
from roundhouse_cli.local.addresses import own_address
from roundhouse_cli.local.layout import ANY_ADDRESS, LOOPBACK
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.resolve import pick, short_id
from roundhouse_cli.rest import Item
from roundhouse_cli.units import age, parse_duration, parse_settings

__all__ = ["app"]

app = typer.Typer(help="One-time tokens that let other hosts join; without a subcommand a new one.")

Ttl = Annotated[str, typer.Option(metavar="DURATION", help="How long it may be used, at most 24h.")]
NodeId = Annotated[str, typer.Option(help="The id that the node must take; without it the host gets a new one.")]
Label = Annotated[list[str] | None, typer.Option(metavar="K=V", help="A label of the node; may be repeated.")]
Region = Annotated[str, typer.Option(help="Where the node is.")]
Zone = Annotated[str, typer.Option(help="Where within the region.")]

_COLUMNS = (
    Column("ID", lambda token: short_id(token["id"])),
    Column("STATE", lambda token: token["state"]),
    Column("NODE", lambda token: token["used_node_id"] or token["node_id"]),
    Column("LABELS", lambda token: ",".join(f"{key}={value}" for key, value in sorted(token["labels"].items()))),
    Column("EXPIRES", lambda token: token["expires_at"]),
    Column("AGE", lambda token: age(token["created_at"], CLOCK)),
    Column("BY", lambda token: token["created_by"]),
)


@app.callback(invoke_without_command=True)
def default(
    context: typer.Context,
    ttl: Ttl = "1h",
    node_id: NodeId = "",
    label: Label = None,
    region: Region = "",
    zone: Zone = "",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Make a token, or list and revoke those there are."""
    if context.invoked_subcommand is None:
        create(ttl, node_id, label, region, zone, url, output)


@app.command("create")
def create(
    ttl: Ttl = "1h",
    node_id: NodeId = "",
    label: Label = None,
    region: Region = "",
    zone: Zone = "",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Make a token for one host. It is shown this once."""
    body: Item = {"ttl_s": parse_duration(ttl), "labels": parse_settings(label or (), "--label")}
    body |= {name: value for name, value in (("node_id", node_id), ("region", region), ("zone", zone)) if value}
    with connect(url) as services:
        made = services.scheduler.post("/api/v1/join-tokens", body)
        if output is OutputFormat.JSON:
            show_item(made, output)
            return
        print(made["token"])
        note(f"On the other host:  roundhouse node join {_join_url(services.connection)} --token {made['token']}")
        if made["is_local_only"]:
            note("As it is started only this machine can join: `roundhouse up --listen ADDRESS` lets other hosts in.")
        note(f"It lets one host in until {made['expires_at']}, and is not shown again.")


@app.command("ls")
def list_tokens(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List the tokens of the last days, without the secret."""
    with connect(url) as services:
        show_items(services.scheduler.items("/api/v1/join-tokens"), _COLUMNS, output, empty="There is no token.")


@app.command("rm")
def revoke(
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="Its id, or a part of it.")], url: Url = ""
) -> None:
    """Revoke a token. A host that has joined with it stays."""
    with connect(url) as services:
        found = pick(services.scheduler.items("/api/v1/join-tokens"), token, "join token", name_field="id")
        services.scheduler.delete(f"/api/v1/join-tokens/{found['id']}")
        note(f"{found['id']} lets nobody in any more.")


def _join_url(connection: Connection) -> str:
    """Return the router as another host reaches it: the address of a connection on this machine may be loopback."""
    parts = urlsplit(connection.router_url)
    host = own_address(ANY_ADDRESS) if parts.hostname == LOOPBACK else parts.hostname
    return f"http://{host}:{parts.port}"

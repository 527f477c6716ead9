"""`roundhouse nodes`: the machines."""

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.connection import find_connection
from roundhouse_cli.errors import Failure
from roundhouse_cli.local.join import make_credentials
from roundhouse_cli.local.layout import DataDir
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.resolve import pick, short_id
from roundhouse_cli.rest import Item
from roundhouse_cli.units import age, show_bytes

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Nodes: the machines that run engines.")


def _devices(node: Item) -> str:
    models = [device["model"] for device in node["devices"]]
    counted = ", ".join(f"{models.count(model)} x {model}" for model in dict.fromkeys(models))
    return counted or ("could not look" if node["device_errors"] else "none")


_COLUMNS = (
    Column("ID", lambda node: short_id(node["id"])),
    Column("HOST", lambda node: node["hostname"]),
    Column("STATE", lambda node: node["state"]),
    Column("CORES", lambda node: node["cpu_cores"]),
    Column("MEMORY", lambda node: show_bytes(node["memory_total_bytes"])),
    Column("FREE", lambda node: show_bytes(node["memory_free_bytes"])),
    Column("CLAIMED", lambda node: show_bytes(node["claimed_memory_bytes"])),
    Column("DEVICES", _devices),
    Column("REPLICAS", lambda node: node["replicas_count"]),
    Column("HEARD", lambda node: age(node["last_heartbeat_at"], CLOCK)),
)


@app.command("ls")
def list_nodes(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List the nodes."""
    with connect(url) as services:
        nodes = services.scheduler.items("/api/v1/nodes")
        show_items(nodes, _COLUMNS, output, empty="No node has registered yet.")


@app.command("show")
def show(
    node: Annotated[str, typer.Argument(metavar="NODE", help="A host name, an id, or a part of an id.")],
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Show everything about one node."""
    with connect(url) as services:
        found = pick(services.scheduler.items("/api/v1/nodes"), node, "node", name_field="hostname")
        show_item(services.scheduler.get(f"/api/v1/nodes/{found['id']}"), output)


@app.command("credentials")
def credentials(
    node_id: Annotated[str, typer.Argument(metavar="NODE_ID", help="A new id, e.g. nod_second.")],
    out: Annotated[Path, typer.Option(help="Where to write nats.seed and node.env.")],
) -> None:
    """Let the node agent of another host join. Run it on the machine of `roundhouse up`, beside its data directory."""
    source = find_connection("", os.environ, Path.cwd()).source
    if source is None or not DataDir(source.parent).secrets.is_dir():
        raise Failure("Credentials are made where `roundhouse up` ran: its data directory is not here.")
    written = make_credentials(DataDir(source.resolve().parent), node_id, out)
    note(f"Start the agent with:  set -a; . {shlex.quote(str(written))}; set +a; python -m roundhouse_node_agent")

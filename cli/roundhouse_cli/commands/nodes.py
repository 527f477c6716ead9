"""`roundhouse nodes`: the machines, as an administrator sees them."""

from typing import Annotated

import typer

from roundhouse_cli.commands import join_tokens, node_duties, node_view
from roundhouse_cli.commands.node_arguments import NodeName, find_node
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.commands.top import nodes_top
from roundhouse_cli.errors import UsageFault
from roundhouse_cli.output import Column, OutputFormat, note, show_items
from roundhouse_cli.resolve import short_id
from roundhouse_cli.rest import Item
from roundhouse_cli.units import age, show_bytes

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Nodes: the machines that run engines.")
app.add_typer(join_tokens.app, name="join-token")
node_duties.add_to(app)
app.command("top")(nodes_top)
app.command("show")(node_view.show)
app.command("events")(node_view.events)


def _devices(node: Item) -> str:
    models = [device["model"] for device in node["devices"]]
    counted = ", ".join(f"{models.count(model)} x {model}" for model in dict.fromkeys(models))
    return counted or ("could not look" if node["device_errors"] else "none")


def _duty(node: Item) -> str:
    """Say what is wanted of it; who waits for approval has no duty yet."""
    admission, duty = node.get("admission", "approved"), node.get("duty", "active")
    if admission != "approved":
        return str(admission)
    left = (node.get("drain") or {}).get("left")
    return f"{duty} ({left} left)" if left else str(duty)


def _place(node: Item) -> str:
    return "/".join(part for part in (node.get("region"), node.get("zone")) if part)


_COLUMNS = (
    Column("ID", lambda node: short_id(node["id"])),
    Column("HOST", lambda node: node["hostname"]),
    Column("STATE", lambda node: node["state"]),
    Column("DUTY", _duty),
    Column("PLACE", _place),
    Column("CORES", lambda node: node["cpu_cores"]),
    Column("MEMORY", lambda node: show_bytes(node["memory_total_bytes"])),
    Column("FREE", lambda node: show_bytes(node["memory_free_bytes"])),
    Column("CLAIMED", lambda node: show_bytes(node["claimed_memory_bytes"])),
    Column("DEVICES", _devices),
    Column("REPLICAS", lambda node: node["replicas_count"]),
    Column("HEARD", lambda node: age(node["last_heartbeat_at"], CLOCK)),
    Column("WHY", node_view.why_not_ready, is_wrapped=True),
)


@app.command("ls")
def list_nodes(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List the nodes."""
    with connect(url) as services:
        nodes = services.scheduler.items("/api/v1/nodes")
        show_items(nodes, _COLUMNS, output, empty="No node has registered yet.")


@app.command("label")
def label(
    node: NodeName,
    labels: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE|KEY-", help="KEY- takes one away.")] = None,
    region: Annotated[str | None, typer.Option(help="Where it is; '' is what its host says.")] = None,
    zone: Annotated[str | None, typer.Option(help="Where within the region.")] = None,
    url: Url = "",
) -> None:
    """Set labels, region and zone. Those that the host itself tells stay below them."""
    if not labels and region is None and zone is None:
        raise UsageFault("Say what to set: KEY=VALUE, KEY-, --region or --zone.")
    with connect(url) as services:
        found = find_node(services, node)
        change: Item = {} if not labels else {"labels": _changed(found.get("own_labels") or {}, labels)}
        change |= {name: value for name, value in (("region", region), ("zone", zone)) if value is not None}
        services.scheduler.patch(f"/api/v1/nodes/{found['id']}", change)
        note(f"{found['hostname']} is labelled.")


def _changed(labels: dict[str, str], changes: list[str]) -> dict[str, str]:
    """Return the labels after `KEY=VALUE` and `KEY-`. Raises UsageFault."""
    after = dict(labels)
    for change in changes:
        key, equals, value = change.partition("=")
        if equals and key:
            after[key] = value
        elif change.endswith("-") and len(change) > 1:
            after.pop(change[:-1], None)
        else:
            raise UsageFault(f"{change!r} is neither KEY=VALUE nor KEY-.")
    return after

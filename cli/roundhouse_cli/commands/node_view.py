"""What `roundhouse nodes show` and `nodes events` tell: how a node is and why, its devices, and what happened to it."""

from typing import Annotated

import typer

from roundhouse_cli.commands.node_arguments import NodeName, find_node
from roundhouse_cli.commands.options import Output, Url, connect
from roundhouse_cli.output import Column, OutputFormat, show_item, show_items
from roundhouse_cli.rest import Item
from roundhouse_cli.units import show_bytes

__all__ = ["events", "show", "why_not_ready"]

_DEVICES = (
    Column("DEVICE", lambda device: device["index"]),
    Column("UUID", lambda device: device["uuid"]),
    Column("MODEL", lambda device: device["model"]),
    Column("MEMORY", lambda device: show_bytes(device["memory_total_bytes"])),
    Column("FREE", lambda device: show_bytes(device["memory_free_bytes"])),
    Column("CLAIMED", lambda device: show_bytes(device["claimed_memory_bytes"])),
    Column("HEALTH", lambda device: "quarantined" if device.get("quarantine") else device["health"]),
    Column("DETAIL", lambda device: _device_detail(device), is_wrapped=True),
)
_EVENTS = (
    Column("AT", lambda event: event["at"]),
    Column("WHAT", lambda event: event["kind"]),
    Column("FROM", lambda event: event.get("before")),
    Column("TO", lambda event: event.get("after")),
    Column("BY", lambda event: event.get("actor")),
    Column("DETAIL", lambda event: event.get("detail"), is_wrapped=True),
)


def why_not_ready(node: Item) -> str:
    """Return why a node takes nothing new, and what can be done; nothing for one that is ready."""
    return "" if node.get("condition") == "ready" else str(node.get("why", ""))


def show(node: NodeName, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Show everything about one node: how it is and why, what it has, and its devices."""
    with connect(url) as services:
        found = services.scheduler.get(f"/api/v1/nodes/{find_node(services, node)['id']}")
        if output is OutputFormat.JSON:
            show_item(found, output)
            return
        show_item({name: value for name, value in found.items() if name != "devices"}, output)
        if found["devices"]:
            print()
            show_items(found["devices"], _DEVICES, output, empty="")


def events(
    node: NodeName,
    limit: Annotated[int, typer.Option(min=1, help="How many of the latest.")] = 50,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Show what happened to a node, the latest last: registrations, silences, orders and who gave them."""
    with connect(url) as services:
        found = find_node(services, node)
        happened = services.scheduler.items(f"/api/v1/nodes/{found['id']}/events")
        show_items(happened[-limit:], _EVENTS, output, empty="Nothing has happened yet.")


def _device_detail(device: Item) -> str:
    kept = device.get("quarantine")
    if not kept:
        return str(device.get("health_detail", ""))
    return ": ".join(part for part in (f"by {kept['actor']} since {kept['at']}", kept["reason"]) if part)

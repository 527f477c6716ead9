"""Which nodes an order is for: some by name, all with a label, or all."""

from typing import Annotated

import typer

from roundhouse_cli.commands.launch_options import settings_of
from roundhouse_cli.commands.node_arguments import find_node
from roundhouse_cli.errors import UsageFault
from roundhouse_cli.rest import Item, Services

__all__ = ["AllNodes", "OnLabels", "OnNodes", "describe_selection", "is_for", "selection"]

OnNodes = Annotated[
    list[str] | None, typer.Option("--node", metavar="NODE", help="On this node; may be repeated.", show_default=False)
]
OnLabels = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        metavar="KEY=VALUE",
        help="On nodes with this label, also those that join later; may be repeated: all must fit.",
        show_default=False,
    ),
]
AllNodes = Annotated[bool, typer.Option("--all", help="On every node, also those that join later.")]


def selection(services: Services, nodes: list[str] | None, labels: list[str] | None, *, is_all: bool) -> Item:
    """Return what the scheduler takes. Raises UsageFault unless exactly one way was used."""
    if sum((bool(nodes), bool(labels), is_all)) != 1:
        raise UsageFault("Say on which nodes, with one of --node, --label and --all.")
    if nodes:
        return {"node_ids": [find_node(services, node)["id"] for node in nodes]}
    return {"labels": settings_of(labels, "--label")} if labels else {"all": True}


def describe_selection(nodes: Item, hostnames: dict[str, str]) -> str:
    """Say for which nodes an order is."""
    if nodes.get("all"):
        return "all"
    if labels := nodes.get("labels"):
        return " ".join(f"{key}={value}" for key, value in labels.items())
    return ", ".join(hostnames.get(node_id, node_id) for node_id in nodes.get("node_ids") or [])


def is_for(order: Item, node_ids: set[str]) -> bool:
    """Whether an order is for exactly these nodes; an empty set means any order."""
    return not node_ids or set(order["nodes"].get("node_ids") or []) == node_ids

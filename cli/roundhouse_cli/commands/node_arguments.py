"""How commands name a node."""

from typing import Annotated

import typer

from roundhouse_cli.resolve import pick
from roundhouse_cli.rest import Item, Services

__all__ = ["NodeName", "find_node"]

NodeName = Annotated[str, typer.Argument(metavar="NODE", help="A host name, an id, or a part of an id.")]


def find_node(services: Services, wanted: str) -> Item:
    """Return the node that is meant."""
    return pick(services.scheduler.items("/api/v1/nodes"), wanted, "node", name_field="hostname")

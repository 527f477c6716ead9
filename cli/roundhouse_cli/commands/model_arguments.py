"""How commands name a model."""

from typing import Annotated

import typer

from roundhouse_cli.resolve import pick
from roundhouse_cli.rest import Item, Services

__all__ = ["Model", "find_model"]

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A name, an id, or a part of an id that only one has.")]


def find_model(services: Services, wanted: str) -> Item:
    """Return the model that is meant."""
    return pick(services.catalog.items("/api/v1/models"), wanted, "model")

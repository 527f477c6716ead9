"""`roundhouse deploy`: run a model."""

import re
from typing import Annotated

import typer

from roundhouse_cli.commands.models import find_model
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.output import OutputFormat, note, show_item
from roundhouse_cli.rest import Item
from roundhouse_cli.units import parse_bytes, parse_settings
from roundhouse_cli.waiting import wait_until_running

__all__ = ["deploy", "deployment_name"]


def deployment_name(model_name: str) -> str:
    """Return the model's name as a deployment may be called: lower case, digits, dots and dashes, 63 at most."""
    return re.sub(r"[^a-z0-9.-]+", "-", model_name.lower()).strip("-.")[:63].rstrip("-.")


def deploy(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name, an id, or a part of an id.")],
    name: Annotated[str, typer.Option(help="What clients send as `model`. Default: the model's name.")] = "",
    engine: Annotated[str, typer.Option(help="The inference engine.")] = "llama.cpp",
    replicas: Annotated[int, typer.Option(min=0, help="How many copies to run.")] = 1,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An engine parameter; may be repeated.")
    ] = None,
    memory: Annotated[
        str, typer.Option(metavar="SIZE", help="Memory of one replica, e.g. 600MiB. Default: what the model states.")
    ] = "",
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only on nodes with this label; may be repeated.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Return when it runs.")] = False,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Deploy a model."""
    with connect(url) as services:
        found = find_model(services, model)
        body: Item = {
            "name": name or deployment_name(found["name"]),
            "model": found["id"],
            "engine": engine,
            "replicas": replicas,
            "parameters": parse_settings(settings or [], "--set"),
        }
        if memory:
            body["resources"] = {"memory_bytes": parse_bytes(memory)}
        if label:
            body["placement"] = {"node_labels": parse_settings(label, "--label")}
        made = services.catalog.post("/api/v1/deployments", body)
        if wait:
            wait_until_running(services, made, CLOCK)
        if output is OutputFormat.JSON:
            show_item(made, output)
        else:
            note(f"{made['name']} {'runs' if wait else 'is deployed; `roundhouse ps` shows how it comes up'}.")

"""`roundhouse models`: what can be deployed."""

from pathlib import Path
from typing import Annotated

import typer

from roundhouse_cli.commands import own_models
from roundhouse_cli.commands.model_arguments import Model, find_model
from roundhouse_cli.commands.model_sources import EXAMPLES, parse_source
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.errors import UsageFault
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.resolve import short_id
from roundhouse_cli.rest import Item
from roundhouse_cli.units import age, parse_bytes, show_bytes

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Models: list, add, upload, create, copy, publish, remove.")
own_models.add_to(app)

_COLUMNS = (
    Column("ID", lambda model: short_id(model["id"])),
    Column("NAME", lambda model: model["name"]),
    Column("KIND", lambda model: model["kind"]),
    Column("CONTEXT", lambda model: model["context_length"] or "-"),
    Column("MEMORY", lambda model: show_bytes(model["memory_bytes"] or None)),
    Column("LICENCE", lambda model: model["licence"]),
    Column("PUBLISHED", lambda model: bool(model["is_published"])),
    Column("AGE", lambda model: age(model["created_at"], CLOCK)),
)


@app.command("ls")
def list_models(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List the models."""
    with connect(url) as services:
        show_items(services.catalog.items("/api/v1/models"), _COLUMNS, output, empty="There are no models.")


@app.command("show")
def show(model: Model, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Show everything about one model."""
    with connect(url) as services:
        show_item(find_model(services, model), output)


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="What clients and `roundhouse deploy` call it.")],
    origin: Annotated[
        str, typer.Option("--from", metavar="SOURCE", help=f"Where its files are: {EXAMPLES}.", show_default=False)
    ] = "",
    file: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Only these files of a repository, e.g. *Q4_K_M.gguf; may be repeated."),
    ] = None,
    sha256: Annotated[str, typer.Option(help="Of the one file of an https source.")] = "",
    path: Annotated[Path | None, typer.Option(help="A file or directory on the nodes.")] = None,
    python_package: Annotated[
        str, typer.Option(metavar="PACKAGE/FILE", help="A file inside a Python package that the nodes have.")
    ] = "",
    kind: Annotated[str, typer.Option(help="chat, completion, embedding, rerank, ...")] = "chat",
    context_length: Annotated[int, typer.Option(min=0, help="Tokens the model was made for; 0: unknown.")] = 0,
    licence: Annotated[str, typer.Option(help="An SPDX identifier.")] = "",
    tag: Annotated[list[str] | None, typer.Option(help="May be repeated.")] = None,
    memory: Annotated[str, typer.Option(metavar="SIZE", help="What one replica needs, e.g. 600MiB.")] = "",
    publish: Annotated[bool, typer.Option("--publish", help="Publish it at once.")] = False,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Add a model to the catalog."""
    body: Item = {
        "name": name,
        "kind": kind,
        "source": _source(origin, path, python_package, file or [], sha256),
        "context_length": context_length,
        "licence": licence,
        "tags": tag or [],
        "is_published": publish,
    }
    if memory:
        body["memory_bytes"] = parse_bytes(memory)
    with connect(url) as services:
        show_item(own_models.looked_at(services, services.catalog.post("/api/v1/models", body)), output)


@app.command("publish")
def publish(
    model: Model,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take it back: users see it no more.")] = False,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Let users see a model, or withdraw it."""
    with connect(url) as services:
        found = find_model(services, model)
        changed = services.catalog.patch(f"/api/v1/models/{found['id']}", {"is_published": not withdraw})
        if output is OutputFormat.JSON:
            show_item(changed, output)
        else:
            note(f"{found['name']} is {'withdrawn' if withdraw else 'published'}.")


@app.command("rm")
def remove(model: Model, url: Url = "") -> None:
    """Remove a model that no deployment uses."""
    with connect(url) as services:
        found = find_model(services, model)
        services.catalog.delete(f"/api/v1/models/{found['id']}")
        note(f"{found['name']} is removed.")


def _source(origin: str, path: Path | None, python_package: str, patterns: list[str], sha256: str) -> Item:
    if sum((bool(origin), path is not None, bool(python_package))) != 1:
        raise UsageFault("Say where the model's files are, with one of --from, --path and --python-package.")
    if path is not None:
        return {"kind": "path", "uri": str(path.absolute())}
    if python_package:
        return {"kind": "python-package", "uri": python_package}
    return parse_source(origin, patterns=patterns, sha256=sha256)

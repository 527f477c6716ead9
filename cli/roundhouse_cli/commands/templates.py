"""`roundhouse templates`: what operators settle once, so that deploying needs only a model."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.errors import Failure
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.units import age

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Templates: list, show, import, export, remove.")

Name = Annotated[str, typer.Argument(metavar="TEMPLATE", help="A name, or name@number for one that is not the newest.")]

_YAML = "application/yaml"
_JSON = "application/json"
_COLUMNS = (
    Column("NAME", lambda template: template["name"]),
    Column("NUMBER", lambda template: template["number"]),
    Column("ENGINE", lambda template: template["engine"]),
    Column("FOR", lambda template: ", ".join([*template["suits"]["kinds"], *template["suits"]["names"]]) or "any"),
    Column("DEVICES", lambda template: ", ".join(one["name"] for one in template["alternatives"])),
    Column("AGE", lambda template: age(template["created_at"], CLOCK)),
    Column("DESCRIPTION", lambda template: template["description"], is_wrapped=True),
)


@app.command("ls")
def list_templates(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List the templates."""
    with connect(url) as services:
        found = services.catalog.items("/api/v1/templates")
        show_items(
            found, _COLUMNS, output, empty="There are no templates; `roundhouse templates import FILE` adds some."
        )


@app.command("show")
def show(name: Name, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Show everything about a template."""
    with connect(url) as services:
        show_item(services.catalog.get(_path(name)), output)


@app.command("import")
def import_templates(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON or YAML, one template or several; - reads stdin.")],
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Add templates, or give those that are there their next number."""
    content = _read(file)
    kind = _JSON if file.suffix.lower() == ".json" or content.lstrip()[:1] in (b"{", b"[") else _YAML
    with connect(url) as services:
        imported = services.catalog.send("/api/v1/templates:import", content, kind)
        if output is OutputFormat.JSON:
            show_item(imported, output)
        for one in [] if output is OutputFormat.JSON else imported["items"]:
            note(f"{one['name']}@{one['number']} is {one['change']}.")


@app.command("export")
def export(name: Name, url: Url = "") -> None:
    """Print a template as YAML, as `import` takes it."""
    with connect(url) as services:
        print(services.catalog.text(_path(name), format="yaml"), end="")


@app.command("rm")
def remove(name: Annotated[str, typer.Argument(metavar="TEMPLATE")], url: Url = "") -> None:
    """Remove a template with all its numbers. Deployments keep what they were made with."""
    with connect(url) as services:
        services.catalog.delete(f"/api/v1/templates/{name}")
        note(f"{name} is removed.")


def _path(name: str) -> str:
    name, at, number = name.partition("@")
    return f"/api/v1/templates/{name}" + (f"/versions/{number}" if at else "")


def _read(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror or error}.") from error

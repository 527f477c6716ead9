"""`roundhouse routes import-litellm`: a LiteLLM configuration becomes providers, routes and limits."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from roundhouse_cli.commands.options import Output, Url, connect
from roundhouse_cli.errors import Failure
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.rest import Item

__all__ = ["import_litellm"]

_PATH = "/api/v1/routes:import-litellm"
_COLUMNS = (
    Column("LINE", lambda line: line["path"]),
    Column("OUTCOME", lambda line: line["outcome"].replace("_", " ")),
    Column("DETAIL", lambda line: line["detail"], is_wrapped=True),
)


def import_litellm(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="LiteLLM's config.yaml; - reads stdin.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")] = False,
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="Go on although variables are not set; add the keys later.")
    ] = False,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Make the providers, routes and limits that a LiteLLM configuration asks for.

    Variables that the file names with os.environ/ are taken from this command's own environment. Repeating it changes
    what has the same names and doubles nothing.
    """
    config = _read(file)
    with connect(url) as services:
        wanted: Item = {"config": config, "environment": {}, "is_dry_run": True}
        looked = services.catalog.post(_PATH, wanted)
        given = {name: os.environ[name] for name in looked["environment_needed"] if os.environ.get(name)}
        missing = [name for name in looked["environment_needed"] if name not in given]
        if missing and not (dry_run or without_keys):
            raise Failure(
                f"The file takes {', '.join(missing)} from the environment, and they are not set here. Nothing was "
                "made: set them, or use --without-keys and add the keys later with `roundhouse providers keys add`."
            )
        wanted |= {"environment": given, "is_dry_run": dry_run, "allows_missing_keys": without_keys}
        done = services.catalog.post(_PATH, wanted)
    if output is OutputFormat.JSON:
        show_item(done, output)
        return
    show_items(done["lines"], _COLUMNS, output, empty="The file says nothing.")
    for line in _summary(done):
        note(line)


def _summary(done: Item) -> list[str]:
    would = "that would be " if done["is_dry_run"] else ""
    lines = []
    for kind in ("providers", "routes", "limits"):
        for change in ("created", "updated", "unchanged"):
            if names := done[kind][change]:
                what = change if change == "unchanged" else f"{would}{change}"
                lines.append(f"{kind.capitalize()} {what}: {', '.join(names)}.")
    left_out = sum(line["outcome"] == "left_out" for line in done["lines"])
    if left_out:
        lines.append(f"Left out: {left_out}; each line says why.")
    if done["environment_needed"]:
        lines.append(f"Not set here: {', '.join(done['environment_needed'])}.")
    return lines


def _read(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{file} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}.") from error

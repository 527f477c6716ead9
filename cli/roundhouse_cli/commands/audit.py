"""`roundhouse audit`: who did what."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.errors import Failure
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.rest import Item
from roundhouse_cli.units import parse_duration, since

__all__ = ["app", "verify"]

app = typer.Typer(no_args_is_help=True, help="The audit: list, export, check it, remove old entries.")


class Shape(StrEnum):
    NDJSON = "ndjson"
    CSV = "csv"


Actor = Annotated[str | None, typer.Option(help="E.g. user:usr_admin.")]
Action = Annotated[str | None, typer.Option(help="E.g. deployment.stop; `deployment.` for all of a kind.")]
Object = Annotated[str | None, typer.Option("--object", metavar="ID", help="What it was done to.")]
Outcome = Annotated[str | None, typer.Option(help="done, refused or failed.")]

_CHANGE_CHARACTERS = 160
"""More of a change is in `-o json` and in exports."""

_COLUMNS = (
    Column("AT", lambda entry: entry["at"]),
    Column("WHO", lambda entry: entry["actor"]),
    Column("FROM", lambda entry: entry["client_address"]),
    Column("WHAT", lambda entry: entry["action"]),
    Column("OBJECT", lambda entry: entry["object_name"] or entry["object_id"]),
    Column("OUTCOME", lambda entry: entry["reason"] or entry["outcome"]),
    Column("CHANGE", lambda entry: _change(entry), is_wrapped=True),
)


def _change(entry: Item) -> str:
    told = entry["change"].items()
    text = ", ".join(f"{name}: {now if was is None else f'{was} -> {now}'}" for name, (was, now) in told)
    return text if len(text) <= _CHANGE_CHARACTERS else f"{text[: _CHANGE_CHARACTERS - 1]}…"


@app.command("ls")
def list_entries(
    actor: Actor = None,
    action: Action = None,
    object_id: Object = None,
    outcome: Outcome = None,
    since_: Annotated[str, typer.Option("--since", metavar="DURATION", help="Not older than this.")] = "24h",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """List entries, the newest first."""
    with connect(url) as services:
        found = services.catalog.items(
            "/api/v1/audit",
            actor=actor,
            action=action,
            object_id=object_id,
            outcome=outcome,
            since=since(parse_duration(since_), CLOCK),
        )
    show_items(found, _COLUMNS, output, empty="There are no such entries.")


@app.command("export")
def export(
    file: Annotated[Path | None, typer.Argument(help="Where to; left out: the standard output.")] = None,
    shape: Annotated[Shape, typer.Option("--format", help="One JSON object per line, or CSV.")] = Shape.NDJSON,
    actor: Actor = None,
    action: Action = None,
    since_: Annotated[str, typer.Option("--since", metavar="DURATION", help="Not older than this.")] = "",
    url: Url = "",
) -> None:
    """Write every entry that fits, the oldest first."""
    moment = since(parse_duration(since_), CLOCK) if since_ else None
    query = {"format": shape.value, "actor": actor, "action": action, "since": moment}
    with connect(url) as services, services.catalog.lines("/api/v1/audit:export", None, **query) as lines:
        target = file.open("w", encoding="utf-8") if file else sys.stdout
        try:
            for line in lines:
                target.write(line + "\n")
        finally:
            if file:
                target.close()


@app.command("head")
def head(url: Url = "") -> None:
    """Print where the chain ends, as SEQUENCE:HASH: keep it elsewhere, and check against it later."""
    with connect(url) as services:
        found = services.catalog.get("/api/v1/audit:head")
    print(f"{found['sequence']}:{found['hash']}")


@app.command("verify")
def verify(
    anchor: Annotated[
        str, typer.Option(metavar="SEQUENCE:HASH", help="A head from before: it must still be there.")
    ] = "",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Walk over the whole chain; ends with 1 and the first entry that does not hold when it is broken."""
    with connect(url) as services:
        found = services.catalog.get("/api/v1/audit:verify", anchor=anchor or None)
    if output is OutputFormat.JSON:
        show_item(found, output)
    if not found["is_whole"]:
        raise Failure(f"The audit is broken at entry {found['broken_at']}: {found['why']}.")
    if output is not OutputFormat.JSON:
        end = found["head"]
        print(f"{found['checked']} entries hold; the chain ends with {end['sequence']}:{end['hash']}")


@app.command("seal")
def seal(
    older_than: Annotated[str, typer.Argument(metavar="DURATION", help="Entries older than this go, e.g. 365d.")],
    url: Url = "",
) -> None:
    """Remove old entries of all tenants, and keep the hash that the rest follows from. Export them first."""
    with connect(url) as services:
        found = services.catalog.post("/api/v1/audit:seal", {"before": since(parse_duration(older_than), CLOCK)})
    note(f"{found['removed']} entries are removed, up to {found['sealed']['sequence']}:{found['sealed']['hash']}.")

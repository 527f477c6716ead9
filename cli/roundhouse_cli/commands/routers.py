"""`roundhouse routers`: what routers know of endpoints, and the answers that they keep."""

import typer

from roundhouse_cli.commands.options import Output, Url, connect
from roundhouse_cli.errors import Failure
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.rest import Item
from roundhouse_cli.units import show_bytes

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Which endpoints routers pass over, and the answers that they keep.")

_COLUMNS = (
    Column("ENDPOINT", lambda one: one["name"]),
    Column("ID", lambda one: one["endpoint_id"]),
    Column("STATE", lambda one: one["state"]),
    Column("REASON", lambda one: one["reason"]),
    Column("UNTIL", lambda one: one["until"] or "now"),
    Column("EJECTIONS", lambda one: str(one["ejections"])),
    Column("ROUTER", lambda one: one["router_id"]),
)


@app.command("passed-over")
def passed_over(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List endpoints that a router has ejected, tries out again, or lets rest, with why and until when."""
    with connect(url) as services:
        found = services.catalog.get("/api/v1/endpoint-states")
    show_items(found["items"], _COLUMNS, output, empty=f"None, say {_routers(found)}.")


@app.command("cache")
def cache(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Show how many answers of your tenant are kept, for routes with a cache."""
    with connect(url) as services:
        found = services.catalog.get("/api/v1/answer-cache")
    if output is OutputFormat.JSON:
        show_item(found, output)
        return
    answers = "where they are kept is away" if found["answers"] is None else str(found["answers"])
    size = "not known" if found["size_bytes"] is None else show_bytes(found["size_bytes"])
    where = "in Redis, for all routers" if found["is_shared"] else "in each router"
    show_item({"answers": answers, "size": size, "kept": where, "told by": _routers(found)}, output)


@app.command("clear-cache")
def clear_cache(url: Url = "") -> None:
    """Forget every kept answer of your tenant, on all routers. Equal requests are work for engines again."""
    with connect(url) as services:
        cleared = services.catalog.post("/api/v1/answer-cache:clear")
    if cleared["failed"]:
        raise Failure(f"Not everywhere: the store of {', '.join(cleared['failed'])} is away. Try again.")
    count = cleared["answers"]
    note(f"{count} answer{' is' if count == 1 else 's are'} forgotten.")


def _routers(found: Item) -> str:
    count = len(found["routers"])
    return f"{count} router{'s' if count != 1 else ''}"

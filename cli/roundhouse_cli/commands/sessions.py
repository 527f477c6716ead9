"""`roundhouse sessions`: your own logins, on all devices."""

from typing import Annotated

import typer

from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.output import Column, OutputFormat, note, show_items
from roundhouse_cli.resolve import pick, short_id
from roundhouse_cli.units import age

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Your own logins, on all devices.")

_COLUMNS = (
    Column("ID", lambda one: short_id(one["id"])),
    Column("CURRENT", lambda one: bool(one["is_current"])),
    Column("METHOD", lambda one: one["method"]),
    Column("TENANT", lambda one: one["tenant_id"]),
    Column("ADDRESS", lambda one: one["client_address"]),
    Column("CLIENT", lambda one: one["user_agent"], is_wrapped=True),
    Column("LAST USED", lambda one: age(one["last_used_at"], CLOCK)),
    Column("AGE", lambda one: age(one["created_at"], CLOCK)),
)


@app.command("ls")
def list_sessions(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List your logins, the last used first."""
    with connect(url) as services:
        show_items(services.catalog.items("/api/v1/sessions"), _COLUMNS, output, empty="You have no logins.")


@app.command("end")
def end(
    session: Annotated[str, typer.Argument(metavar="SESSION", help="An id, or a part of one.")], url: Url = ""
) -> None:
    """End one of your logins; its tokens are void at once. `roundhouse logout --everywhere` ends all."""
    with connect(url) as services:
        listed = [{**one, "name": one["id"]} for one in services.catalog.items("/api/v1/sessions")]
        found = pick(listed, session, "login")
        services.catalog.delete(f"/api/v1/sessions/{found['id']}")
        note(f"{short_id(found['id'])} is ended.")

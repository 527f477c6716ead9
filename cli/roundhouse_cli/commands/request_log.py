"""`roundhouse request-log`: what is logged of a tenant's requests, and reading it."""

from enum import StrEnum
from typing import Annotated

import typer

from roundhouse_cli.commands.launch_options import given
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.errors import UsageFault
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.units import parse_duration, since

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="The request log of your tenant: choose what is logged, list, show.")

_PATH = "/api/v1/request-log"
_PAGE = 200


class Level(StrEnum):
    OFF = "off"
    METADATA = "metadata"
    BODIES = "bodies"


_READ = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "input_audio_tokens", "input_image_tokens")
_MADE = ("output_tokens", "reasoning_tokens", "output_audio_tokens", "output_image_tokens")


def _tokens(one: Item) -> str:
    read, made = (sum(one.get(name, 0) for name in names) for names in (_READ, _MADE))
    return f"{read} > {made}"


_COLUMNS = (
    Column("AT", lambda one: one["logged_at"]),
    Column("REQUEST", lambda one: one["request_id"]),
    Column("KEY", lambda one: one["key_id"]),
    Column("MODEL", lambda one: one["model_requested"]),
    Column("STATUS", lambda one: str(one["http_status"])),
    Column("OUTCOME", lambda one: one["error_code"] or one["outcome"]),
    Column("TOKENS", _tokens),
    Column("MS", lambda one: f"{one['duration_ms']:.0f}"),
)


@app.command("ls")
def list_requests(
    since_: Annotated[str, typer.Option("--since", metavar="DURATION", help="Not older than this.")] = "24h",
    key: Annotated[str | None, typer.Option(metavar="ID", help="Of one API key.")] = None,
    model: Annotated[str | None, typer.Option(help="As the client named it.")] = None,
    status: Annotated[int | None, typer.Option(help="With this HTTP status.")] = None,
    outcome: Annotated[str | None, typer.Option(help="completed, failed or aborted.")] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="How many at the most.")] = 200,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """List requests, the newest first, without what was asked and answered. That you read it is audited."""
    with connect(url) as services:
        moment = since(parse_duration(since_), CLOCK)
        query = {"since": moment, "key_id": key, "model": model, "status": status, "outcome": outcome}
        found = _newest(services, most, query)
    show_items(found, _COLUMNS, output, empty="Nothing was logged.")


@app.command("show")
def show(
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="The id of its record, req_...")],
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Show one request, with what was asked and answered where that is logged. That you read it is audited."""
    with connect(url) as services:
        show_item(services.catalog.get(f"{_PATH}/{request}"), output)


@app.command("policy")
def policy(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Show what is chosen for your tenant."""
    with connect(url) as services:
        show_item(_tenant(services)["request_log"], output)


@app.command("set")
def choose(
    level: Annotated[
        Level | None,
        typer.Option(help="metadata: what the usage record has; bodies: also what was asked and answered, redacted."),
    ] = None,
    keep_days: Annotated[int | None, typer.Option("--keep-days", min=1, help="How long lines are kept.")] = None,
    redact: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=EXPRESSION", help="Take this out too. May be repeated; replaces those before."),
    ] = None,
    no_patterns: Annotated[bool, typer.Option("--no-patterns", help="No patterns of your own any more.")] = False,
    url: Url = "",
) -> None:
    """Choose what is logged of your tenant's requests; what is not stated stays."""
    patterns = [_pattern(one) for one in redact or ()]
    stated: Item = given(level=level.value if level else None, keep_days=keep_days)
    if patterns or no_patterns:
        stated["patterns"] = patterns
    if not stated:
        raise UsageFault("State what to choose; `roundhouse request-log set --help` lists the settings.")
    with connect(url) as services:
        tenant = _tenant(services)
        chosen = services.catalog.patch(f"/api/v1/tenants/{tenant['id']}", {"request_log": stated})["request_log"]
    own = ", ".join(one["name"] for one in chosen["patterns"]) or "none"
    note(f"Logged: {chosen['level']}, kept for {chosen['keep_days']} days, patterns of your own: {own}.")


def _newest(services: Services, most: int, query: Item) -> list[Item]:
    """Return so many, page by page: a log may have millions."""
    found: list[Item] = []
    cursor: str | None = None
    page: Item = {"routers": []}
    while len(found) < most:
        page = services.catalog.get(_PATH, limit=min(most - len(found), _PAGE), cursor=cursor, **query)
        found += page["items"]
        cursor = page["next_cursor"]
        if not cursor:
            break
    for router in page["routers"]:
        if router["dropped"]:
            note(f"Router {router['router_id']} has dropped {router['dropped']} requests since it started.")
    return found


def _pattern(text: str) -> Item:
    name, separator, expression = text.partition("=")
    if not separator:
        raise UsageFault(f"--redact {text!r} has no name; write e.g. --redact 'staff_number=E-\\d{{6}}'.")
    return {"name": name, "expression": expression}


def _tenant(services: Services) -> Item:
    """Return the tenant of the token."""
    return services.catalog.get(f"/api/v1/tenants/{services.catalog.get('/api/v1/me')['tenant_id']}")

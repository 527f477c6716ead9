"""`roundhouse limits`: bounds on what requests may use."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from roundhouse_cli.commands.launch_options import given
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.commands.route_targets import Lookups
from roundhouse_cli.commands.shared_options import with_options
from roundhouse_cli.errors import UsageFault
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.resolve import pick, short_id
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.units import age

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Limits: list, show, create, change, remove.")

_PATH = "/api/v1/limits"
_BOUNDS = (
    "requests_per_second",
    "requests_per_minute",
    "requests_per_day",
    "tokens_per_minute",
    "tokens_per_day",
    "input_tokens_per_minute",
    "input_tokens_per_day",
    "output_tokens_per_minute",
    "output_tokens_per_day",
    "concurrent_requests",
)
_FACTORS = {"": 1, "k": 1000, "m": 1_000_000}
_Bound = Annotated[str, typer.Option(metavar="N", help="e.g. 100, 10k or 2M; none: no such bound.")]
_Texts = list[str] | None

Limit = Annotated[str, typer.Argument(metavar="LIMIT", help="A name, an id, or a part of an id.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitOptions:
    """What was typed. Each field is an option; what is empty or None was not stated."""

    requests_per_second: _Bound = ""
    requests_per_minute: _Bound = ""
    requests_per_day: _Bound = ""
    tokens_per_minute: _Bound = ""
    tokens_per_day: _Bound = ""
    input_tokens_per_minute: _Bound = ""
    input_tokens_per_day: _Bound = ""
    output_tokens_per_minute: _Bound = ""
    output_tokens_per_day: _Bound = ""
    concurrent_requests: _Bound = ""
    per: Annotated[
        _Texts, typer.Option(help="Counted apart for each tenant, user, key or route; two make pairs. May be repeated.")
    ] = None
    key: Annotated[_Texts, typer.Option(help="Only requests with this API key. May be repeated.")] = None
    user: Annotated[_Texts, typer.Option(metavar="ID", help="Only with keys of this user. May be repeated.")] = None
    route: Annotated[_Texts, typer.Option(help="Only requests to this route. May be repeated.")] = None
    tenant: Annotated[_Texts, typer.Option(metavar="ID", help="Of the platform's: only of this tenant.")] = None

    def body(self, known: Lookups) -> Item:
        """Return what was stated as the catalog takes it. Raises UsageFault, Failure or Ambiguous."""
        return {
            **{name: _number(typed, name) for name in _BOUNDS if (typed := getattr(self, name))},
            **given(
                per=self.per or None,
                key_ids=_ids(known, "api-keys", self.key, "API key"),
                route_ids=_ids(known, "routes", self.route, "route"),
                user_ids=self.user or None,
                tenant_ids=self.tenant or None,
            ),
        }


_COLUMNS = (
    Column("ID", lambda limit: short_id(limit["id"])),
    Column("NAME", lambda limit: limit["name"]),
    Column("BOUNDS", lambda limit: _bounds(limit), is_wrapped=True),
    Column("PER", lambda limit: " and ".join(limit["per"]) or "all together"),
    Column("ONLY", lambda limit: _only(limit)),
    Column("OF", lambda limit: "platform" if limit["is_platform"] else "tenant"),
    Column("AGE", lambda limit: age(limit["created_at"], CLOCK)),
)


@app.command("ls")
def list_limits(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List the limits. A request must keep to all that it falls under."""
    with connect(url) as services:
        found = services.catalog.items(_PATH)
        show_items(found, _COLUMNS, output, empty="There are no limits; `roundhouse limits create` adds one.")


@app.command("show")
def show(limit: Limit, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Show everything about a limit."""
    with connect(url) as services:
        show_item(_find(services, limit), output)


@app.command("create")
@with_options(LimitOptions)
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    stated: LimitOptions,
    platform: Annotated[bool, typer.Option("--platform", help="For requests of every tenant.")] = False,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Create a limit."""
    with connect(url) as services:
        body = {"name": name, **stated.body(Lookups(services))}
        made = services.catalog.post(_PATH, {**body, "is_platform": True} if platform else body)
        _tell(made, output)


@app.command("set")
@with_options(LimitOptions)
def change(
    limit: Limit,
    stated: LimitOptions,
    name: Annotated[str, typer.Option(help="Another name.")] = "",
    together: Annotated[bool, typer.Option("--together", help="Counted together, per nothing.")] = False,
    any_key: Annotated[bool, typer.Option("--any-key", help="With any API key.")] = False,
    any_user: Annotated[bool, typer.Option("--any-user", help="With keys of any user.")] = False,
    any_route: Annotated[bool, typer.Option("--any-route", help="To any route.")] = False,
    any_tenant: Annotated[bool, typer.Option("--any-tenant", help="Of any tenant.")] = False,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Change a limit; what is not stated stays. What was used so far still counts."""
    ended = {
        "per": together,
        "key_ids": any_key,
        "user_ids": any_user,
        "route_ids": any_route,
        "tenant_ids": any_tenant,
    }
    with connect(url) as services:
        body = {**stated.body(Lookups(services)), **({"name": name} if name else {})}
        body |= {field: [] for field, is_ended in ended.items() if is_ended}
        if not body:
            raise UsageFault("State what to change; `roundhouse limits set --help` lists the settings.")
        found = _find(services, limit)
        _tell(services.catalog.patch(f"{_PATH}/{found['id']}", body), output)


@app.command("rm")
def remove(limit: Limit, url: Url = "") -> None:
    """Remove a limit."""
    with connect(url) as services:
        found = _find(services, limit)
        services.catalog.delete(f"{_PATH}/{found['id']}")
        note(f"{found['name']} is removed.")


def _find(services: Services, wanted: str) -> Item:
    return pick(services.catalog.items(_PATH), wanted, "limit")


def _tell(limit: Item, output: OutputFormat) -> None:
    if output is OutputFormat.JSON:
        show_item(limit, output)
    else:
        per = f" per {' and '.join(limit['per'])}" if limit["per"] else ""
        note(f"{limit['name']}: {_bounds(limit)}{per}.")


def _number(text: str, name: str) -> int | None:
    if text == "none":
        return None
    found = re.fullmatch(r"(\d{1,15})([kKmM]?)", text)
    if found is None:
        raise UsageFault(f"--{name.replace('_', '-')} {text!r} is not a number; write e.g. 100, 10k, 2M or none.")
    return int(found[1]) * _FACTORS[found[2].lower()]


def _ids(known: Lookups, path: str, wanted: Sequence[str] | None, what: str) -> list[str] | None:
    return [known.find(path, one, what)["id"] for one in wanted] if wanted else None


def _bounds(limit: Item) -> str:
    return ", ".join(f"{limit[name]} {name.replace('_', ' ')}" for name in _BOUNDS if limit[name] is not None)


def _only(limit: Item) -> str:
    counted = [(len(limit[f"{noun}_ids"]), noun) for noun in ("tenant", "user", "key", "route")]
    return ", ".join(f"{count} {noun}{'s' if count > 1 else ''}" for count, noun in counted if count)

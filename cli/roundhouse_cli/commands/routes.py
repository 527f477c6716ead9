"""`roundhouse routes`: the names that clients send as `model`, and where each leads."""

from typing import Annotated

import typer

from roundhouse_cli.commands.litellm_import import import_litellm
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.commands.route_options import RouteOptions
from roundhouse_cli.commands.route_preview import preview
from roundhouse_cli.commands.route_targets import Lookups, show_target
from roundhouse_cli.commands.shared_options import with_options
from roundhouse_cli.errors import UsageFault
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.resolve import pick
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.units import age

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Routes: list, show, create, change, remove, preview.")
app.command("import-litellm")(import_litellm)
app.command("preview")(preview)

_PATH = "/api/v1/routes"
_OBJECTS = ("balancing", "timeouts", "retries", "queue", "cache")

Route = Annotated[str, typer.Argument(metavar="ROUTE", help="A name, an id, or a part of an id.")]
NewName = Annotated[str, typer.Argument(metavar="NAME", help="What clients send as `model`; * is for any characters.")]

_COLUMNS = (
    Column("NAME", lambda route: route["name"]),
    Column("LEADS TO", lambda route: route["leads_to"], is_wrapped=True),
    Column("KIND", lambda route: route["model_kind"]),
    Column("OF", lambda route: _owner(route)),
    Column("BALANCING", lambda route: "" if route["alias_of"] else route["balancing"]["strategy"]),
    Column("AGE", lambda route: age(route["created_at"], CLOCK)),
)


@app.command("ls")
def list_routes(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List the routes. Every deployment has one of its own name."""
    with connect(url) as services:
        found = services.catalog.items(_PATH)
        if output is OutputFormat.TABLE:
            found = _readable(services, found)
        show_items(found, _COLUMNS, output, empty="There are no routes; `roundhouse deploy MODEL` makes one.")


@app.command("show")
def show(route: Route, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Show everything about a route."""
    with connect(url) as services:
        found = _find(services, route)
        if output is OutputFormat.TABLE:
            [readable] = _readable(services, [found])
            fallbacks = [f"{one['reason']}: {one['route']}" for one in found["fallbacks"]]
            found = {**found, "targets": readable["leads_to"], "fallbacks": fallbacks}
        show_item(found, output)


@app.command("create")
@with_options(RouteOptions)
def create(
    name: NewName,
    stated: RouteOptions,
    platform: Annotated[bool, typer.Option("--platform", help="For every tenant.")] = False,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Create a route: another name, a split between deployments, a way out when one fails."""
    if not stated.leads_somewhere:
        raise UsageFault("State where it leads: --to DEPLOYMENT, or --alias-of ROUTE for another name.")
    with connect(url) as services:
        body = {"name": name, **stated.body(Lookups(services))}
        made = services.catalog.post(_PATH, {**body, "is_platform": True} if platform else body)
        _tell(services, made, output)


@app.command("set")
@with_options(RouteOptions)
def change(
    route: Route,
    stated: RouteOptions,
    name: Annotated[str, typer.Option(help="Another name; a deployment's own route keeps its name.")] = "",
    no_fallbacks: Annotated[bool, typer.Option("--no-fallbacks", help="Remove all of them.")] = False,
    all_keys: Annotated[bool, typer.Option("--all-keys", help="Every API key may use it.")] = False,
    all_tenants: Annotated[bool, typer.Option("--all-tenants", help="Every tenant may use it.")] = False,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Change a route; what is not stated stays. Targets, fallbacks and keys are replaced by those that are stated."""
    with connect(url) as services:
        body = stated.body(Lookups(services))
        body |= {"name": name} if name else {}
        body |= {"fallbacks": []} if no_fallbacks else {}
        body |= {"key_ids": []} if all_keys else {}
        body |= {"tenant_ids": []} if all_tenants else {}
        if not body:
            raise UsageFault("State what to change; `roundhouse routes set --help` lists the settings.")
        before = _find(services, route)
        whole = {name: {**before[name], **value} if name in _OBJECTS else value for name, value in body.items()}
        _tell(services, services.catalog.patch(f"{_PATH}/{before['id']}", whole), output)


@app.command("rm")
def remove(route: Route, url: Url = "") -> None:
    """Remove a route that no other names. A deployment's own goes with the deployment."""
    with connect(url) as services:
        found = _find(services, route)
        services.catalog.delete(f"{_PATH}/{found['id']}")
        note(f"{found['name']} is removed.")


def _find(services: Services, wanted: str) -> Item:
    return pick(services.catalog.items(_PATH), wanted, "route")


def _tell(services: Services, route: Item, output: OutputFormat) -> None:
    if output is OutputFormat.JSON:
        show_item(route, output)
        return
    [readable] = _readable(services, [route])
    note(f"{route['name']} leads to {readable['leads_to']}.")


def _readable(services: Services, routes: list[Item]) -> list[Item]:
    """Return the routes with where they lead in words; what targets name is looked up when there are any."""
    known, names = Lookups(services), dict[str, str]()
    targets = [target for route in routes for target in route["targets"]]
    for path, field in (("deployments", "deployment_id"), ("providers", "provider_id")):
        if any(target[field] for target in targets):
            names |= {one["id"]: one["name"] for one in known.items(path)}
    return [{**route, "leads_to": _leads(route, names)} for route in routes]


def _leads(route: Item, names: dict[str, str]) -> str:
    if route["alias_of"]:
        return f"the route {route['alias_of']}"
    return ", ".join(show_target(target, names) for target in route["targets"])


def _owner(route: Item) -> str:
    if route["is_platform"]:
        return "platform"
    return "deployment" if route["deployment_id"] else "tenant"

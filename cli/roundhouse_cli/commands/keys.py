"""`roundhouse keys`: API keys of clients."""

from typing import Annotated

import typer

from roundhouse_cli.commands.deployments import find_deployment
from roundhouse_cli.commands.launch_options import given
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.errors import Refused, Unreachable
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.resolve import pick, short_id
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.units import age, parse_duration, since

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="API keys: create, list, show, set, rotate, revoke.")


def _state(key: Item) -> str:
    if key.get("is_revoked") or key.get("revoked_at"):
        return "revoked"
    expires_at = key.get("expires_at")
    return "expired" if expires_at and expires_at < since(0, CLOCK) else "active"


def _scope(key: Item) -> str:
    """Say in a few words what the key is kept to."""
    told = [f"{len(key['deployment_ids'])} deployments"] if key.get("deployment_ids") else []
    told += [", ".join(key["models"])] if key.get("models") else []
    told += [f"from {', '.join(key['ip_ranges'])}"] if key.get("ip_ranges") else []
    return "; ".join(told) or "all"


_COLUMNS = (
    Column("ID", lambda key: short_id(key["id"])),
    Column("NAME", lambda key: key["name"]),
    Column("KEY", lambda key: f"{key['prefix']}...{key['last_four']}"),
    Column("STATE", _state),
    Column("MAY USE", lambda key: _scope(key)),
    Column("EXPIRES", lambda key: key.get("expires_at") or "never"),
    Column("AGE", lambda key: age(key["created_at"], CLOCK)),
)


Key = Annotated[str, typer.Argument(metavar="KEY", help="A name, an id, or a part of an id.")]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="NAME", help="May send this name only, `*` for any characters; may be repeated."),
]
Ranges = Annotated[
    list[str] | None,
    typer.Option("--ip-range", metavar="CIDR", help="For requests from this network only; may be repeated."),
]


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    deployment: Annotated[
        list[str] | None, typer.Option(help="May call this deployment only; may be repeated. Default: all.")
    ] = None,
    model: Models = None,
    ip_range: Ranges = None,
    priority: Annotated[int | None, typer.Option(help="Where engines are full: -100 to 100.")] = None,
    project: Annotated[str, typer.Option(metavar="ID", help="The project that it is for.")] = "",
    user: Annotated[str, typer.Option(metavar="ID", help="Whose key it is; others' need keys:admin.")] = "",
    expires: Annotated[str, typer.Option(metavar="DURATION", help="From now, e.g. 30d. Default: never.")] = "",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Create an API key. Its secret is shown now and never again."""
    with connect(url) as services:
        body: Item = {"name": name, **given(models=model, ip_ranges=ip_range, priority=priority)}
        body |= given(project_id=project or None, user_id=user or None)
        if deployment:
            body["deployment_ids"] = [find_deployment(services, wanted)["id"] for wanted in deployment]
        if expires:
            body["expires_at"] = since(-parse_duration(expires), CLOCK)
        made = services.catalog.post("/api/v1/api-keys", body)
    _show_secret(made, output)


@app.command("ls")
def list_keys(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List the API keys, without their secrets."""
    with connect(url) as services:
        show_items(services.catalog.items("/api/v1/api-keys"), _COLUMNS, output, empty="There are no API keys.")


@app.command("revoke")
def revoke(key: Key, url: Url = "") -> None:
    """Revoke an API key; routers refuse it within seconds."""
    with connect(url) as services:
        found = _find(services, key)
        services.catalog.delete(f"/api/v1/api-keys/{found['id']}")
        note(f"{found['name']} is revoked.")


@app.command("show")
def show(key: Key, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Show one API key with the limits that name it, and the budgets that hold for it with what is spent of them."""
    with connect(url) as services:
        found = pick(services.catalog.items("/api/v1/api-keys"), key, "API key")
        shown = services.catalog.get(f"/api/v1/api-keys/{found['id']}")
        show_item({**shown, "budgets": _budgets(services, shown)}, output)


@app.command("set")
def change(
    key: Key,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    model: Models = None,
    ip_range: Ranges = None,
    any_model: Annotated[bool, typer.Option("--any-model", help="No list of models any more.")] = False,
    any_address: Annotated[bool, typer.Option("--any-address", help="No list of networks any more.")] = False,
    priority: Annotated[int | None, typer.Option(help="Where engines are full: -100 to 100.")] = None,
    expires: Annotated[str, typer.Option(metavar="DURATION", help="From now, or `never`.")] = "",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Change what an API key may be used for; routers follow within a second. The secret stays."""
    body: Item = given(name=name, models=model, ip_ranges=ip_range, priority=priority)
    body |= {"models": []} if any_model else {}
    body |= {"ip_ranges": []} if any_address else {}
    if expires:
        body["expires_at"] = None if expires == "never" else since(-parse_duration(expires), CLOCK)
    with connect(url) as services:
        found = _find(services, key)
        show_item(services.catalog.patch(f"/api/v1/api-keys/{found['id']}", body), output)


@app.command("rotate")
def rotate(
    key: Key,
    overlap: Annotated[str, typer.Option(metavar="DURATION", help="How long the secret before stays good.")] = "1h",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Give an API key a new secret, shown now and never again. With `--overlap 0s` the one before ends at once."""
    with connect(url) as services:
        found = _find(services, key)
        body = {"overlap_s": parse_duration(overlap)}
        made = services.catalog.post(f"/api/v1/api-keys/{found['id']}:rotate", body)
    _show_secret(made, output)


def _budgets(services: Services, key: Item) -> list[Item]:
    """Return the budgets of the key, of its user and of its project."""
    named = given(key_id=key["id"], user_id=key.get("user_id") or None, project_id=key.get("project_id") or None)
    members = ("id", "name", "scope", "scope_id", "unit", "period", "amount", "is_hard", "spent", "left", "period_end")
    try:
        found = services.metering.items("/api/v1/budgets", **named)
    except (Refused, Unreachable) as error:
        note(f"Its budgets are not shown: {error}")
        return []
    return [{name: budget[name] for name in members} for budget in found]


def _find(services: Services, wanted: str) -> Item:
    keys = services.catalog.items("/api/v1/api-keys")
    return pick([one for one in keys if _state(one) != "revoked"], wanted, "API key in use")


def _show_secret(made: Item, output: OutputFormat) -> None:
    if output is OutputFormat.JSON:
        show_item(made, output)
        return
    print(made["secret"])
    note("Keep it now: only its digest is stored, so it cannot be shown again.")

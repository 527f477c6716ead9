"""`roundhouse keys`: API keys of clients."""

from typing import Annotated

import typer

from roundhouse_cli.commands.deployments import find_deployment
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.resolve import pick, short_id
from roundhouse_cli.rest import Item
from roundhouse_cli.units import age, parse_duration, since

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="API keys: create, list, revoke.")


def _state(key: Item) -> str:
    if key.get("is_revoked") or key.get("revoked_at"):
        return "revoked"
    expires_at = key.get("expires_at")
    return "expired" if expires_at and expires_at < since(0, CLOCK) else "active"


_COLUMNS = (
    Column("ID", lambda key: short_id(key["id"])),
    Column("NAME", lambda key: key["name"]),
    Column("KEY", lambda key: f"{key['prefix']}...{key['last_four']}"),
    Column("STATE", _state),
    Column("EXPIRES", lambda key: key.get("expires_at") or "never"),
    Column("AGE", lambda key: age(key["created_at"], CLOCK)),
)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    deployment: Annotated[
        list[str] | None, typer.Option(help="May call this deployment only; may be repeated. Default: all.")
    ] = None,
    expires: Annotated[str, typer.Option(metavar="DURATION", help="From now, e.g. 30d. Default: never.")] = "",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Create an API key. Its secret is shown now and never again."""
    with connect(url) as services:
        body: Item = {"name": name}
        if deployment:
            body["deployment_ids"] = [find_deployment(services, wanted)["id"] for wanted in deployment]
        if expires:
            body["expires_at"] = since(-parse_duration(expires), CLOCK)
        made = services.catalog.post("/api/v1/api-keys", body)
    if output is OutputFormat.JSON:
        show_item(made, output)
    else:
        print(made["secret"])
        note("Keep it now: only its digest is stored, so it cannot be shown again.")


@app.command("ls")
def list_keys(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List the API keys, without their secrets."""
    with connect(url) as services:
        show_items(services.catalog.items("/api/v1/api-keys"), _COLUMNS, output, empty="There are no API keys.")


@app.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="A name, an id, or a part of an id.")], url: Url = ""
) -> None:
    """Revoke an API key; routers refuse it within seconds."""
    with connect(url) as services:
        keys = services.catalog.items("/api/v1/api-keys")
        active = [candidate for candidate in keys if _state(candidate) != "revoked"]
        found = pick(active, key, "API key in use")
        services.catalog.delete(f"/api/v1/api-keys/{found['id']}")
        note(f"{found['name']} is revoked.")

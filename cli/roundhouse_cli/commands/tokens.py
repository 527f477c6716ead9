"""`roundhouse tokens`: what programs log in with."""

from typing import Annotated

import typer

from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.errors import Failure
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.resolve import pick, short_id
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.units import age, parse_duration, since

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Personal tokens: what programs log in with.")

Account = Annotated[
    str, typer.Option("--service-account", metavar="ID", help="Of a service account. Default: your own.")
]


def _state(token: Item) -> str:
    if token["revoked_at"]:
        return "revoked"
    return "expired" if token["expires_at"] < since(0, CLOCK) else "active"


_COLUMNS = (
    Column("ID", lambda token: short_id(token["id"])),
    Column("NAME", lambda token: token["name"]),
    Column("TOKEN", lambda token: f"{token['prefix']}...{token['last_four']}"),
    Column("STATE", _state),
    Column("EXPIRES", lambda token: token["expires_at"]),
    Column("LAST USED", lambda token: age(token["last_used_at"], CLOCK) if token["last_used_at"] else None),
    Column("AGE", lambda token: age(token["created_at"], CLOCK)),
)


@app.command("ls")
def list_tokens(service_account: Account = "", url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List tokens of this tenant, without their secrets."""
    with connect(url) as services:
        show_items(_listed(services, service_account), _COLUMNS, output, empty="There are no tokens.")


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Where it is used.")],
    expires: Annotated[str, typer.Option(metavar="DURATION", help="From now, at most 366d. Default: 90d.")] = "",
    service_account: Account = "",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Create a token. Its secret is shown now and never again; programs take it as ROUNDHOUSE_TOKEN."""
    body: Item = {"name": name}
    if service_account:
        body["user_id"] = service_account
    if expires:
        body["expires_at"] = since(-parse_duration(expires), CLOCK)
    with connect(url) as services:
        made = services.catalog.post("/api/v1/tokens", body)
    if output is OutputFormat.JSON:
        show_item(made, output)
    else:
        print(made["secret"])
        note("Keep it now: only its digest is stored, so it cannot be shown again.")


@app.command("revoke")
def revoke(
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="A name, an id, or a part of an id.")],
    service_account: Account = "",
    url: Url = "",
) -> None:
    """Revoke a token, for good; what it was exchanged for is void at once."""
    with connect(url) as services:
        listed = _listed(services, service_account)
        found = pick([one for one in listed if _state(one) == "active"], token, "token in use")
        services.catalog.delete(f"/api/v1/tokens/{found['id']}")
        note(f"{found['name']} is revoked.")


@app.command("access")
def access(url: Url = "") -> None:
    """Print an access token for curl and other programs. It lives for minutes; whoever has it is you meanwhile."""
    with connect(url) as services:
        token = services.tokens.current()
        if not token:
            raise Failure("Nobody is logged in; `roundhouse login` first.")
        print(token)


def _listed(services: Services, service_account: str) -> list[Item]:
    return services.catalog.items("/api/v1/tokens", user_id=service_account or None)

"""`roundhouse login-providers`: identity providers that people log in with (OpenID Connect)."""

from pathlib import Path
from typing import Annotated

import typer

from roundhouse_cli.commands.directory_parts import tell
from roundhouse_cli.commands.launch_options import given
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.commands.secret_input import given_secrets
from roundhouse_cli.errors import Failure, UsageFault
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.resolve import pick
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.units import age

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Single sign-on: add, list, show, change, check, remove providers.")

_PATH = "/api/v1/oidc-providers"
_COLUMNS = (
    Column("NAME", lambda one: one["name"]),
    Column("ISSUER", lambda one: one["issuer"]),
    Column("STATE", lambda one: "active" if one["is_enabled"] else "disabled"),
    Column("GROUPS", lambda one: ", ".join(dict.fromkeys(rule["group"] for rule in one["rules"]["group_roles"]))),
    Column("AGE", lambda one: age(one["created_at"], CLOCK)),
)
Provider = Annotated[str, typer.Argument(metavar="PROVIDER", help="A name, an id, or a part of an id.")]
SecretFile = Annotated[Path | None, typer.Option("--secret-file", help="Holds the client's secret; - reads stdin.")]
SecretEnv = Annotated[str, typer.Option("--secret-env", metavar="NAME", help="An environment variable that holds it.")]
Groups = Annotated[
    list[str] | None,
    typer.Option(
        "--group",
        metavar="GROUP=[TENANT:]ROLE,...",
        help="What members of a group get, in a tenant or, without one, on the platform. May be repeated; none: no"
        " groups.",
    ),
]
Scopes = Annotated[list[str] | None, typer.Option("--scope", help="To ask for. May be repeated.")]
Domains = Annotated[
    list[str] | None, typer.Option("--email-domain", help="Whose verified addresses may log in. May be repeated.")
]
GroupsClaim = Annotated[str | None, typer.Option(help="Where the provider says the groups; at first `groups`.")]
NameClaim = Annotated[str | None, typer.Option(help="Where it says the login name.")]
Creates = Annotated[
    bool | None, typer.Option("--create-users/--known-users", help="Somebody unknown gets an account, or is refused.")
]
NeedsGroup = Annotated[
    bool | None, typer.Option("--need-group/--any-group", help="Whether only members of a named group may log in.")
]
Links = Annotated[
    bool | None,
    typer.Option("--link-by-email/--no-link-by-email", help="Somebody unknown is the user with the verified address."),
]


@app.command("ls")
def list_providers(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List the identity providers."""
    with connect(url) as services:
        found = services.catalog.items(_PATH)
        show_items(found, _COLUMNS, output, empty="There is none; `roundhouse login-providers add` adds one.")


@app.command("show")
def show(provider: Provider, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Show everything about an identity provider but its secret."""
    with connect(url) as services:
        show_item(_find(services, provider), output)


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="In addresses and on login pages.")],
    issuer: Annotated[str, typer.Option(help="Its address, as its configuration says it.")],
    client_id: Annotated[str, typer.Option(help="What it knows us as.")],
    secret_file: SecretFile = None,
    secret_env: SecretEnv = "",
    group: Groups = None,
    scope: Scopes = None,
    email_domain: Domains = None,
    groups_claim: GroupsClaim = None,
    name_claim: NameClaim = None,
    creates_users: Creates = None,
    needs_group: NeedsGroup = None,
    links_by_email: Links = None,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Add an identity provider; without a secret we are a public client. Then check it."""
    with connect(url) as services:
        rules = given(
            group_roles=_group_roles(services, group),
            scopes=scope,
            email_domains=email_domain,
            groups_claim=groups_claim,
            name_claim=name_claim,
            creates_users=creates_users,
            needs_group=needs_group,
            links_by_email=links_by_email,
        )
        body = {"name": name, "issuer": issuer, "client_id": client_id, "rules": rules}
        made = services.catalog.post(_PATH, body | given(client_secret=_secret(secret_file, secret_env)))
        tell(made, output, f"is added; enter {made['callback_url']} there as redirect URI")


@app.command("set")
def change(
    provider: Provider,
    issuer: Annotated[str | None, typer.Option(help="Another address: it needs its own secret.")] = None,
    client_id: Annotated[str | None, typer.Option(help="What it knows us as.")] = None,
    secret_file: SecretFile = None,
    secret_env: SecretEnv = "",
    enable: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Whether anybody may log in with it.")
    ] = None,
    group: Groups = None,
    scope: Scopes = None,
    email_domain: Domains = None,
    groups_claim: GroupsClaim = None,
    name_claim: NameClaim = None,
    creates_users: Creates = None,
    needs_group: NeedsGroup = None,
    links_by_email: Links = None,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Change an identity provider; what is not stated stays. Groups that are stated replace all of them."""
    with connect(url) as services:
        rules = given(
            group_roles=_group_roles(services, group),
            scopes=scope,
            email_domains=email_domain,
            groups_claim=groups_claim,
            name_claim=name_claim,
            creates_users=creates_users,
            needs_group=needs_group,
            links_by_email=links_by_email,
        )
        itself = given(issuer=issuer, client_id=client_id, is_enabled=enable)
        itself |= given(client_secret=_secret(secret_file, secret_env))
        if not (rules or itself):
            raise UsageFault("State what to change; `roundhouse login-providers set --help` lists the settings.")
        found = _find(services, provider)
        now = {name: found[name] for name in ("name", "issuer", "client_id", "is_enabled")}
        body = {**now, **itself, "rules": {**found["rules"], **rules}}
        tell(services.catalog.replace(f"{_PATH}/{found['id']}", body), output, "is changed")


@app.command("check")
def check(provider: Provider, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Ask an identity provider for its configuration and keys, now. Nobody's login is tried."""
    with connect(url) as services:
        found = _find(services, provider)
        told = services.catalog.post(f"{_PATH}/{found['id']}:check")
        show_item(told, output)
        if not told["is_usable"]:
            raise Failure(f"Nobody can log in with {found['name']}: {told['error']}.")


@app.command("rm")
def remove(provider: Provider, url: Url = "") -> None:
    """Remove an identity provider: nobody logs in with it any more. Sessions go on until they end."""
    with connect(url) as services:
        found = _find(services, provider)
        services.catalog.delete(f"{_PATH}/{found['id']}")
        note(f"{found['name']} is removed.")


def _find(services: Services, wanted: str) -> Item:
    return pick(services.catalog.items(_PATH), wanted, "identity provider")


def _secret(file: Path | None, variable: str) -> str | None:
    found = given_secrets([file] if file else None, [variable] if variable else None)
    if len(found) > 1:
        raise UsageFault("There is one secret of a client; several were given.")
    return found[0] if found else None


def _group_roles(services: Services, typed: list[str] | None) -> list[Item] | None:
    """Return the mapping that was typed; None when nothing was."""
    if typed is None:
        return None
    tenants = services.catalog.items("/api/v1/tenants")
    found = []
    for text in typed:
        group, separator, what = text.rpartition("=")
        if text == "none":
            continue
        if not (separator and group and what):
            raise UsageFault(f"--group {text!r} is not GROUP=[TENANT:]ROLE,..., e.g. ml-team=research:deployer.")
        tenant, colon, roles = what.rpartition(":")
        place = {"tenant_id": pick(tenants, tenant, "tenant")["id"]} if colon else {}
        found.append({"group": group, "roles": roles.split(","), **place})
    return found

"""`roundhouse providers`: outside APIs that routes lead to, and their keys."""

from typing import Annotated

import typer

from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.commands.secret_input import SecretEnv, SecretFileOption, given_secrets, one_secret
from roundhouse_cli.errors import Failure, UsageFault
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.resolve import pick, short_id
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.units import age

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Outside providers: list, show, create, change, remove, keys, check.")
keys_app = typer.Typer(no_args_is_help=True, help="Keys of a provider: list, add, remove. Nobody can read them again.")
app.add_typer(keys_app, name="keys")

_PATH = "/api/v1/providers"
_FORMATS = "openai, anthropic, ollama or replicate"

Provider = Annotated[str, typer.Argument(metavar="PROVIDER", help="A name, an id, or a part of an id.")]
BaseUrl = Annotated[str, typer.Option("--base-url", metavar="URL", help="Where the API's paths begin.")]
Headers = Annotated[
    list[str] | None, typer.Option("--header", metavar="NAME=VALUE", help="Sent with every request. May be repeated.")
]
Features = Annotated[
    list[str] | None,
    typer.Option("--feature", help="An endpoint that it has, e.g. chat, embeddings. Default: those of its format."),
]
InFlight = Annotated[
    int | None, typer.Option("--in-flight-most", help="Requests at once from one router; 0: no bound.", min=0)
]


def _ending(key: Item) -> str:
    return f"...{key['last_four']}" if key["last_four"] else "(short)"


def _shown_keys(provider: Item) -> str:
    endings = [_ending(key) for key in provider["keys"]]
    more = f" +{len(endings) - 3}" if len(endings) > 3 else ""
    return " ".join(endings[:3]) + more or "none"


_COLUMNS = (
    Column("ID", lambda provider: short_id(provider["id"])),
    Column("NAME", lambda provider: provider["name"]),
    Column("FORMAT", lambda provider: provider["format"]),
    Column("BASE URL", lambda provider: provider["base_url"]),
    Column("KEYS", _shown_keys),
    Column("FOR", lambda provider: "platform" if provider["is_platform"] else "tenant"),
    Column("AGE", lambda provider: age(provider["created_at"], CLOCK)),
)
_KEY_COLUMNS = (
    Column("ID", lambda key: short_id(key["id"])),
    Column("NAME", lambda key: key["name"]),
    Column("ENDS IN", lambda key: key["last_four"] or "-"),
    Column("AGE", lambda key: age(key["created_at"], CLOCK)),
)
_CHECK_COLUMNS = (
    Column("KEY", lambda check: short_id(check["key_id"]) or "none"),
    Column("ENDS IN", lambda check: check["last_four"] or "-"),
    Column("RESULT", lambda check: check["result"]),
    Column("DETAIL", lambda check: check["detail"], is_wrapped=True),
)


@app.command("ls")
def list_providers(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List the providers, without their secrets."""
    with connect(url) as services:
        empty = "There are no providers; `roundhouse providers create` adds one."
        show_items(services.catalog.items(_PATH), _COLUMNS, output, empty=empty)


@app.command("show")
def show(provider: Provider, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Show everything about a provider but its secrets."""
    with connect(url) as services:
        _show(services.catalog.get(f"{_PATH}/{_find(services, provider)['id']}"), output)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What routes call it.")],
    base_url: BaseUrl,
    format_: Annotated[str, typer.Option("--format", help=f"The API that it speaks: {_FORMATS}.")] = "openai",
    key_file: SecretFileOption = None,
    key_env: SecretEnv = None,
    header: Headers = None,
    feature: Features = None,
    in_flight_most: InFlight = None,
    platform: Annotated[bool, typer.Option("--platform", help="For routes of every tenant.")] = False,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Add a provider. Keys can be added later; they are never taken from the command line."""
    body: Item = {
        "name": name,
        "format": format_,
        "base_url": base_url,
        "keys": [{"secret": secret} for secret in given_secrets(key_file, key_env)],
        "headers": _pairs(header),
        "features": feature or [],
        "in_flight_most": in_flight_most or 0,
        "is_platform": platform,
    }
    with connect(url) as services:
        made = services.catalog.post(_PATH, body)
    _show(made, output)
    note(f"`roundhouse providers check {name}` asks it for its models.")


@app.command("set")
def change(
    provider: Provider,
    base_url: Annotated[str | None, typer.Option("--base-url", metavar="URL", help="On the same host.")] = None,
    header: Headers = None,
    unset_header: Annotated[list[str] | None, typer.Option(help="A header to send no more. May be repeated.")] = None,
    feature: Features = None,
    in_flight_most: InFlight = None,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Change a provider; what is not given stays."""
    with connect(url) as services:
        found = _find(services, provider)
        body: Item = {"base_url": base_url, "features": feature, "in_flight_most": in_flight_most}
        if header or unset_header:
            gone = {one.lower() for one in unset_header or []}
            headers = {**found["headers"], **{at.lower(): value for at, value in _pairs(header).items()}}
            body["headers"] = {at: value for at, value in headers.items() if at not in gone}
        changes = {at: value for at, value in body.items() if value is not None}
        if not changes:
            raise UsageFault("Say what to change: --base-url, --header, --unset-header, --feature, --in-flight-most.")
        _show(services.catalog.patch(f"{_PATH}/{found['id']}", changes), output)


@app.command("rm")
def remove(provider: Provider, url: Url = "") -> None:
    """Remove a provider with its keys. Refused while a route leads to it."""
    with connect(url) as services:
        found = _find(services, provider)
        services.catalog.delete(f"{_PATH}/{found['id']}")
        note(f"{found['name']} is removed.")


@app.command("check")
def check(provider: Provider, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Ask the provider for its models, once with each key, and show what it says."""
    with connect(url) as services:
        found = _find(services, provider)
        said = services.catalog.post(f"{_PATH}/{found['id']}:check")
    if output is OutputFormat.JSON:
        show_item(said, output)
    else:
        show_items(said["checks"], _CHECK_COLUMNS, output, empty="Nothing was asked.")
        if said["models"]:
            note(f"Models: {', '.join(said['models'][:10])}{', ...' if len(said['models']) > 10 else ''}")
    if not said["is_usable"]:
        raise Failure(f"{found['name']} cannot be used: no key was taken.")


@keys_app.command("ls")
def list_keys(provider: Provider, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List the keys of a provider by their last characters."""
    with connect(url) as services:
        found = services.catalog.get(f"{_PATH}/{_find(services, provider)['id']}")
        show_items(found["keys"], _KEY_COLUMNS, output, empty=f"{found['name']} has no keys.")


@keys_app.command("add")
def add_key(
    provider: Provider,
    name: Annotated[str, typer.Option(help="For people.")] = "",
    key_file: SecretFileOption = None,
    key_env: SecretEnv = None,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Add keys beside those there are: from a file, the environment, stdin, or a prompt that shows nothing."""
    with connect(url) as services:
        found = _find(services, provider)
        secrets = one_secret(key_file, key_env)
        path = f"{_PATH}/{found['id']}/keys"
        added = [services.catalog.post(path, {"secret": secret, "name": name}) for secret in secrets]
    show_items(added, _KEY_COLUMNS, output, empty="No key was added.")


@keys_app.command("rm")
def remove_key(
    provider: Provider,
    key: Annotated[str, typer.Argument(metavar="KEY", help="An id, a part of it, a name, or the last four.")],
    url: Url = "",
) -> None:
    """Remove a key; routers stop using it within a second or so."""
    with connect(url) as services:
        found = services.catalog.get(f"{_PATH}/{_find(services, provider)['id']}")
        endings = [one for one in found["keys"] if one["last_four"] == key]
        chosen = endings[0] if len(endings) == 1 else pick(found["keys"], key, "key")
        services.catalog.delete(f"{_PATH}/{found['id']}/keys/{chosen['id']}")
        note(f"The key ...{chosen['last_four']} of {found['name']} is removed; {len(found['keys']) - 1} are left.")


def _show(provider: Item, output: OutputFormat) -> None:
    """Show a provider; of its keys a person needs the endings and the ids."""
    if output is OutputFormat.TABLE:
        lines = [f"{_ending(key)}  {short_id(key['id'])}  {key['name']}".rstrip() for key in provider["keys"]]
        provider = {**provider, "keys": lines or "none"}
    show_item(provider, output)


def _find(services: Services, wanted: str) -> Item:
    """Return the provider; of a tenant's and a platform's of the same name the tenant's."""
    found = services.catalog.items(_PATH)
    own = [one for one in found if one["name"] == wanted and not one["is_platform"]]
    return own[0] if own else pick(found, wanted, "provider")


def _pairs(given: list[str] | None) -> dict[str, str]:
    pairs = {}
    for one in given or []:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise UsageFault(f"--header {one} is not NAME=VALUE.")
        pairs[name.strip()] = value.strip()
    return pairs

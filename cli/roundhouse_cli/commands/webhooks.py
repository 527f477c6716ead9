"""`roundhouse webhooks`: where events for finance tools are sent to, and how that goes."""

from typing import Annotated

import typer

from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.errors import Failure, UsageFault
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.resolve import pick, short_id
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.units import age, parse_duration, since

__all__ = ["app", "place"]

app = typer.Typer(no_args_is_help=True, help="Events for finance tools: list, create, test, send again.")

_PATH = "/api/v1/webhooks"
_TYPES = {
    "usage": "io.roundhouse.usage.request.settled.v1",
    "correction": "io.roundhouse.usage.cost.corrected.v1",
    "budget": "io.roundhouse.budget.threshold.reached.v1",
}
_COLUMNS = (
    Column("ID", lambda webhook: short_id(webhook["id"])),
    Column("NAME", lambda webhook: webhook["name"]),
    Column("URL", lambda webhook: webhook["url"]),
    Column("OF", lambda webhook: webhook["tenant"]),
    Column("STATE", lambda webhook: webhook["state"]),
    Column("SENT", lambda webhook: webhook["sent"]),
    Column("CURSOR", lambda webhook: webhook["cursor"]),
    Column("LAST", lambda webhook: age(webhook["sent_at"], CLOCK)),
    Column("NEXT TRY", lambda webhook: webhook["next_try_at"]),
    Column("ERROR", lambda webhook: webhook["last_error"], is_wrapped=True),
)

Webhook = Annotated[str, typer.Argument(metavar="WEBHOOK", help="A name, an id, or a part of an id.")]
_Types = Annotated[
    list[str] | None, typer.Option("--type", help="usage, correction or budget. May be repeated; usage and correction.")
]
_Single = Annotated[bool | None, typer.Option("--single/--batch", help="One event in each POST, or many.")]
_After = Annotated[str, typer.Option(metavar="CURSOR", help="A place in the feed; 0: all there is.")]
_Since = Annotated[str, typer.Option("--since", metavar="DURATION", help="What came in the last, e.g. 24h or 7d.")]


@app.command("ls")
def list_webhooks(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List the webhooks: how far each came, and what was wrong last."""
    with connect(url) as services:
        found = services.metering.items(_PATH)
        show_items(found, _COLUMNS, output, empty="There are no webhooks; `roundhouse webhooks create` adds one.")


@app.command("show")
def show(webhook: Webhook, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Show everything about a webhook."""
    with connect(url) as services:
        show_item(_find(services, webhook), output)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What receives it.")],
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Where to, e.g. https://finance.example.com/hook.")],
    types: _Types = None,
    tenant: Annotated[str, typer.Option(help="Another tenant's id, or all: for roles on the platform.")] = "",
    single: _Single = False,
    after: _After = "",
    ago: _Since = "",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Create a webhook, and print its secret, which is shown this once. It is told what comes from now on, unless a
    place to begin at is given."""
    body: Item = {
        "name": name,
        "url": address,
        "tenant": tenant,
        "mode": "single" if single else "batch",
        **({"types": _named(types)} if types else {}),
        **place(after, ago),
    }
    with connect(url) as services:
        _print_secret(services.metering.post(_PATH, body), output)


@app.command("set")
def change(
    webhook: Webhook,
    name: Annotated[str, typer.Option(help="Another name.")] = "",
    address: Annotated[str, typer.Option(help="Another address.")] = "",
    types: _Types = None,
    single: _Single = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether anything is sent.")] = None,
    url: Url = "",
) -> None:
    """Change a webhook; what is not stated stays. It stays where it is in the feed, and is tried at once."""
    body: Item = {
        **({"name": name} if name else {}),
        **({"url": address} if address else {}),
        **({"types": _named(types)} if types else {}),
        **({} if single is None else {"mode": "single" if single else "batch"}),
        **({} if enabled is None else {"is_enabled": enabled}),
    }
    if not body:
        raise UsageFault("State what to change; `roundhouse webhooks set --help` lists the settings.")
    with connect(url) as services:
        changed = services.metering.patch(f"{_PATH}/{_find(services, webhook)['id']}", body)
    note(f"{changed['name']} goes to {changed['url']} and is {changed['state']}.")


@app.command("rm")
def remove(webhook: Webhook, url: Url = "") -> None:
    """Remove a webhook: nothing is sent to it any more."""
    with connect(url) as services:
        found = _find(services, webhook)
        services.metering.delete(f"{_PATH}/{found['id']}")
    note(f"{found['name']} is removed.")


@app.command("rotate-secret")
def rotate_secret(
    webhook: Webhook,
    overlap: Annotated[str, typer.Option(metavar="DURATION", help="How long there are signatures by both.")] = "24h",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Replace the secret, and print the new one, which is shown this once."""
    with connect(url) as services:
        path = f"{_PATH}/{_find(services, webhook)['id']}:rotate-secret"
        _print_secret(services.metering.post(path, {"overlap_s": int(parse_duration(overlap))}), output)


@app.command("test")
def send_test(webhook: Webhook, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Send an event that means nothing, now, and tell what was answered."""
    with connect(url) as services:
        found = _find(services, webhook)
        result = services.metering.post(f"{_PATH}/{found['id']}:test", {})
    if output is OutputFormat.JSON:
        show_item(result, output)
    elif result["is_taken"]:
        note(f"{found['name']} answered {result['status']} within {result['duration_ms']:.0f} ms.")
    if not result["is_taken"]:
        raise Failure(f"{found['name']} did not take it: {result['error']}.")


@app.command("redeliver")
def redeliver(webhook: Webhook, after: _After = "", ago: _Since = "", url: Url = "") -> None:
    """Send again what is after a place in the feed. Events have the same ids as before."""
    body = place(after, ago)
    if not body:
        raise UsageFault("From where? Give --after CURSOR or --since DURATION.")
    with connect(url) as services:
        found = services.metering.post(f"{_PATH}/{_find(services, webhook)['id']}:redeliver", body)
    note(f"{found['name']} goes on after {found['cursor']}.")


def place(after: str, ago: str) -> Item:
    """Return a place in the feed as REST takes it."""
    if after and ago:
        raise UsageFault("Give --after or --since, not both.")
    if ago:
        return {"since": since(parse_duration(ago), CLOCK)}
    return {"after": after} if after else {}


def _named(types: list[str]) -> list[str]:
    unknown = [one for one in types if one not in _TYPES]
    if unknown:
        raise UsageFault(f"--type {unknown[0]!r} is none; there are: {', '.join(_TYPES)}.")
    return [_TYPES[one] for one in types]


def _find(services: Services, wanted: str) -> Item:
    return pick(services.metering.items(_PATH), wanted, "webhook")


def _print_secret(webhook: Item, output: OutputFormat) -> None:
    if output is OutputFormat.JSON:
        show_item(webhook, output)
        return
    print(webhook["secret"])
    note(f"{webhook['name']} ({webhook['id']}) is signed with this secret, which is shown this once.")

"""`roundhouse admin`: repairs that touch the whole platform."""

from typing import Annotated

import typer

from roundhouse_cli.commands import admin_secrets, audit, engine_reconciliation, event_readers, retention
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.errors import Unreachable
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.resolve import pick
from roundhouse_cli.rest import Api, Item, Services
from roundhouse_cli.units import age

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="Repairs: rebuild the bus, look at dead letters, replace keys and passwords."
)
dlq = typer.Typer(no_args_is_help=True, help="Dead letters: messages that a service could not process.")
app.add_typer(dlq, name="dlq")
app.add_typer(admin_secrets.app, name="secrets")
app.command("verify-audit")(audit.verify)
app.command("retention")(retention.retention)
app.command("rebuild-usage")(retention.rebuild_usage)
app.command("event-reader")(event_readers.event_reader)
app.command("republish-events")(event_readers.republish_events)
app.command("reconcile")(engine_reconciliation.reconcile)

_REBUILT = (
    Column("SERVICE", lambda row: row["service"]),
    Column("WRITTEN", lambda row: ", ".join(f"{name} {count}" for name, count in row["written"].items()) or "nothing"),
)
_LETTERS = (
    Column("ID", lambda letter: letter["letter_id"]),
    Column("SERVICE", lambda letter: letter["service"]),
    Column("CONSUMER", lambda letter: letter["consumer"]),
    Column("SUBJECT", lambda letter: letter["subject"]),
    Column("DELIVERIES", lambda letter: letter["deliveries"]),
    Column("AGE", lambda letter: age(letter["at"], CLOCK)),
    Column("ERROR", lambda letter: letter["error"], is_wrapped=True),
)

_SIGNING_KEYS = (
    Column("KEY", lambda key: key["kid"]),
    Column("SIGNING", lambda key: bool(key["is_signing"])),
    Column("SIGNS FROM", lambda key: key["signs_from"]),
    Column("CREATED BY", lambda key: key["created_by"]),
)

Letter = Annotated[str, typer.Argument(metavar="LETTER", help="An id, or a part of it that only one has.")]


@app.command("rotate-signing-key")
def rotate_signing_key(
    compromised: Annotated[
        bool, typer.Option("--compromised", help="Somebody may have it: refuse at once what it signed.")
    ] = False,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Replace the key that access tokens are signed with. Nobody is logged out."""
    with connect(url) as services:
        keys = services.catalog.post("/api/v1/signing-keys:rotate", {"is_compromised": compromised})["items"]
    show_items(keys, _SIGNING_KEYS, output, empty="There are no keys.")


@app.command("reset-password")
def reset_password(
    user: Annotated[str, typer.Argument(metavar="USER", help="A login name, an id, or a part of an id.")], url: Url = ""
) -> None:
    """Give somebody a password for a first login, shown this once, and end their sessions."""
    with connect(url) as services:
        found = pick(services.catalog.items("/api/v1/users"), user, "user")
        given = services.catalog.post(f"/api/v1/users/{found['id']}/password:reset")
        print(given["password"])
        note(f"{found['name']} must choose another one at the first login, before {given['expires_at']}.")


@app.command("rebuild-bus")
def rebuild_bus(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Write every bucket and stream anew from what the services hold in SQL and on disk. Safe at any time."""
    rows: list[Item] = []
    with connect(url) as services:
        for api in (services.catalog, services.scheduler, services.metering):
            rows += _rebuilt(api, api.post("/api/v1/bus:rebuild"))
    show_items(rows, _REBUILT, output, empty="Nothing was written.")


def _rebuilt(api: Api, answer: Item) -> list[Item]:
    """Return a row for each writer: metering asks the routers and hands on what they answered."""
    if "written" in answer:
        return [{"service": api.service, "written": answer["written"]}]
    answers = answer.get("items", [])
    return [{"service": f"router {found.get('instance', '')}", "written": found["written"]} for found in answers]


@dlq.command("ls")
def list_letters(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List the dead letters of all services."""
    with connect(url) as services:
        show_items([letter for _, letter in _letters(services)], _LETTERS, output, empty="There are no dead letters.")


@dlq.command("show")
def show_letter(letter: Letter, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Show one dead letter whole, with its payload."""
    with connect(url) as services:
        api, found = _find(services, letter)
        show_item(api.get(f"/api/v1/dead-letters/{found['letter_id']}"), output)


@dlq.command("replay")
def replay(letter: Letter, url: Url = "") -> None:
    """Process a dead letter again; it is gone when that succeeds."""
    with connect(url) as services:
        api, found = _find(services, letter)
        api.post(f"/api/v1/dead-letters/{found['letter_id']}:replay")
        note(f"{found['letter_id']} is processed.")


@dlq.command("discard")
def discard(
    letter: Letter,
    reason: Annotated[str, typer.Option(help="Why it may be lost; for the audit.")],
    url: Url = "",
) -> None:
    """Give a dead letter up, for good: what it says happens nowhere."""
    with connect(url) as services:
        api, found = _find(services, letter)
        api.delete(f"/api/v1/dead-letters/{found['letter_id']}", reason=reason)
        note(f"{found['letter_id']} is gone.")


def _letters(services: Services) -> list[tuple[Api, Item]]:
    """Return every letter with its service. One service that is down does not hide the other's letters."""
    found: list[tuple[Api, Item]] = []
    down: list[Unreachable] = []
    every = (services.catalog, services.scheduler, services.metering)
    for api in every:
        try:
            letters = api.items("/api/v1/dead-letters")
        except Unreachable as error:
            down.append(error)
        else:
            found += [(api, {"service": api.service, **letter}) for letter in letters]
    if len(down) == len(every):
        raise down[0]
    for missing in down:
        note(str(missing))
    return found


def _find(services: Services, wanted: str) -> tuple[Api, Item]:
    letters = _letters(services)
    by_id = [{"id": letter["letter_id"], "name": letter["consumer"]} for _, letter in letters]
    chosen = pick(by_id, wanted, "dead letter")
    return next((api, letter) for api, letter in letters if letter["letter_id"] == chosen["id"])

"""`roundhouse admin`: repairs that touch the whole platform."""

from typing import Annotated

import typer

from roundhouse_cli.commands import admin_secrets, audit
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.errors import Unreachable
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.resolve import pick
from roundhouse_cli.rest import Api, Item, Services
from roundhouse_cli.units import age

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="Repairs: rebuild the bus, look at dead letters, replace the key of secrets."
)
dlq = typer.Typer(no_args_is_help=True, help="Dead letters: messages that a service could not process.")
app.add_typer(dlq, name="dlq")
app.add_typer(admin_secrets.app, name="secrets")
app.command("verify-audit")(audit.verify)

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

Letter = Annotated[str, typer.Argument(metavar="LETTER", help="An id, or a part of it that only one has.")]


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


def _letters(services: Services) -> list[tuple[Api, Item]]:
    """Return every letter with its service. One service that is down does not hide the other's letters."""
    found: list[tuple[Api, Item]] = []
    down: list[Unreachable] = []
    for api in (services.scheduler, services.metering):
        try:
            letters = api.items("/api/v1/dead-letters")
        except Unreachable as error:
            down.append(error)
        else:
            found += [(api, {"service": api.service, **letter}) for letter in letters]
    if len(down) == 2:
        raise down[0]
    for missing in down:
        note(str(missing))
    return found


def _find(services: Services, wanted: str) -> tuple[Api, Item]:
    letters = _letters(services)
    by_id = [{"id": letter["letter_id"], "name": letter["consumer"]} for _, letter in letters]
    chosen = pick(by_id, wanted, "dead letter")
    return next((api, letter) for api, letter in letters if letter["letter_id"] == chosen["id"])

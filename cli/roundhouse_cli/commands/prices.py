"""`roundhouse prices`: price books, what a request costs, and what has no price."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from roundhouse_cli.commands.options import Output, Url, connect
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.rest import Item

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Prices: list, show, import, export, preview, unpriced, reprice.")

_PATH = "/api/v1/price-books"
_NANO = 1_000_000_000
_COLUMNS = (
    Column("BOOK", lambda book: book["book"]),
    Column("VERSION", lambda book: str(book["version"])),
    Column("CURRENCY", lambda book: book["currency"]),
    Column("FROM", lambda book: book["valid_from"]),
    Column("NOTE", lambda book: book["note"], is_wrapped=True),
)
_LINES = (
    Column("MODEL", lambda line: line["model"] or "any"),
    Column("FOR", lambda line: _selectors(line)),
    Column("FROM", lambda line: line["valid_from"]),
    Column("RATES", lambda line: _rates(line["rates"]), is_wrapped=True),
)
_UNPRICED = (
    Column("MODEL", lambda item: item["model"]),
    Column("PROVIDER", lambda item: item["provider_id"]),
    Column("OPERATION", lambda item: item["operation"]),
    Column("REQUESTS", lambda item: str(item["records"])),
    Column("LAST", lambda item: item["last_at"]),
    Column("PRICE NOW", lambda item: "yes: reprice" if item["has_price_now"] else "no"),
)

Book = Annotated[str, typer.Argument(metavar="BOOK", help="The price book's name.")]
_Time = Annotated[str, typer.Option(metavar="TIME", help="e.g. 2026-12-01T00:00:00Z.")]


@app.command("ls")
def list_books(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List the newest version of every price book."""
    with connect(url) as services:
        show_items(
            services.metering.items(_PATH), _COLUMNS, output, empty="There are no prices: everything is unpriced."
        )


@app.command("show")
def show(book: Book, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Show the lines of a book's newest version."""
    with connect(url) as services:
        found = services.metering.get(f"{_PATH}/{book}")
        if output is OutputFormat.JSON:
            show_item(found, output)
        else:
            show_items(found["lines"], _LINES, output, empty="It has no lines: it was ended.")


@app.command("export")
def export(book: Book, url: Url = "") -> None:
    """Write the newest version of a book as CSV, with rates in units of the currency."""
    with connect(url) as services:
        typer.echo(services.metering.text(f"{_PATH}/{book}:export"), nl=False)


@app.command("import")
def import_book(
    book: Book,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, as `export` writes it.")],
    currency: Annotated[str, typer.Option(help="ISO 4217, e.g. USD.")],
    valid_from: Annotated[str, typer.Option("--from", metavar="TIME", help="When it begins; now.")] = "",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Add a version of a book from a file. It ends the one before it at its start."""
    content = file.read_bytes()
    with connect(url) as services:
        stated = {"currency": currency, "valid_from": valid_from or None}
        made = services.metering.send(f"{_PATH}/{book}:import", content, "text/csv", **stated)
        if output is OutputFormat.JSON:
            show_item(made, output)
        else:
            note(f"{book}: version {made['version']} with {len(made['lines'])} lines, from {made['valid_from']}.")


@app.command("preview")
def preview(
    model: Annotated[str, typer.Argument(help="The name that is served.")],
    input_tokens: Annotated[int, typer.Option("--input", min=0, help="Input tokens.")] = 1_000_000,
    output_tokens: Annotated[int, typer.Option("--output-tokens", min=0, help="Output tokens.")] = 0,
    input_audio: Annotated[int, typer.Option("--input-audio", min=0, help="Tokens of sound that is sent.")] = 0,
    output_audio: Annotated[int, typer.Option("--output-audio", min=0, help="Tokens of sound that is made.")] = 0,
    input_images: Annotated[int, typer.Option("--input-images", min=0, help="Tokens of images that are sent.")] = 0,
    output_images: Annotated[int, typer.Option("--output-images", min=0, help="Tokens of images that are made.")] = 0,
    provider: Annotated[str, typer.Option(metavar="ID", help="Of an outside provider.")] = "",
    deployment: Annotated[str, typer.Option(metavar="ID")] = "",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Say what a request would cost, by which line, and why not by another."""
    body = {
        "model": model,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "provider_id": provider,
        "deployment_id": deployment,
    }
    media = {
        "input_audio_tokens": input_audio,
        "output_audio_tokens": output_audio,
        "input_image_tokens": input_images,
        "output_image_tokens": output_images,
    }
    body |= {name: count for name, count in media.items() if count}
    with connect(url) as services:
        found = services.metering.post(f"{_PATH}:preview", body)
    if output is OutputFormat.JSON:
        show_item(found, output)
        return
    if found["cost_nano"] is None:
        note(f"Unpriced: there is no {found['missing'] if found['missing'] != 'price' else 'line for it'}.")
    else:
        note(f"{_units(found['cost_nano'])} {found['currency']}")
    for one in found["considered"]:
        line = one["price"]
        note(f"  {one['verdict']}: {line['book']} version {line['version']}, {line['model'] or 'any model'}")


@app.command("unpriced")
def unpriced(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List requests without a cost, by what they were for."""
    with connect(url) as services:
        found = services.metering.get("/api/v1/usage/unpriced")
        show_items(found["items"], _UNPRICED, output, empty="Every request has a cost.")


@app.command("reprice")
def reprice(
    since: _Time,
    until: _Time,
    reason: Annotated[str, typer.Option(help="Why; it stays with the corrections.")],
    tenant: Annotated[str, typer.Option(metavar="ID", help="Another tenant than your own.")] = "",
    is_real: Annotated[
        bool, typer.Option("--apply", help="Make the corrections; else only say what they would be.")
    ] = False,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Price a period again by the prices known now. The ledger stays; differences become corrections."""
    body: Item = {"since": since, "until": until, "reason": reason, "tenant_id": tenant, "is_dry_run": not is_real}
    names = ("examined", "changed", "became_priced", "still_unpriced", "delta_nano")
    total = dict.fromkeys(names, 0)
    with connect(url) as services:
        while True:
            found = services.metering.post("/api/v1/usage:reprice", body)
            total = {name: total[name] + found[name] for name in names}
            if found["next_cursor"] is None:
                break
            body["cursor"] = found["next_cursor"]
    if output is OutputFormat.JSON:
        show_item(total, output)
        return
    done = "corrected" if is_real else "would be corrected"
    note(
        f"{total['examined']} requests: {total['changed']} {done}, {total['became_priced']} of them unpriced before; "
        f"{total['still_unpriced']} have no price. Difference: {_units(total['delta_nano'])}."
    )


def _selectors(line: Item) -> str:
    names = ("tenant_id", "deployment_id", "provider_id", "device_class", "operation")
    told = [line[name] for name in names if line[name]]
    if line["tier_from_tokens"]:
        told.append(f"from {line['tier_from_tokens']} tokens")
    return ", ".join(told) or "all"


def _rates(rates: Item) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_units(rate)}" for name, rate in rates.items())


def _units(nano: int) -> str:
    text = f"{Decimal(nano) / _NANO:.9f}"
    return text.rstrip("0").rstrip(".") or "0"

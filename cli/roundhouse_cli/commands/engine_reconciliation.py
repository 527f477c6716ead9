"""`roundhouse admin reconcile`: the ledger's tokens beside those that engines counted."""

import enum
from typing import Annotated

import typer

from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.errors import Unreachable
from roundhouse_cli.output import Column, OutputFormat, note, show_items
from roundhouse_cli.resolve import short_id
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.units import parse_duration, since

__all__ = ["reconcile"]


class By(enum.StrEnum):
    REPLICA = "replica"
    DEPLOYMENT = "deployment"
    NODE = "node"


class Step(enum.StrEnum):
    HOUR = "hour"
    DAY = "day"


def reconcile(
    by: Annotated[By, typer.Option(help="What a line is of.")] = By.REPLICA,
    ago: Annotated[str, typer.Option("--since", metavar="DURATION", help="How far back, e.g. 24h or 7d.")] = "24h",
    step: Annotated[Step | None, typer.Option(help="A line for every hour or day.")] = None,
    now: Annotated[bool, typer.Option("--now", help="Up to this moment: requests under way are differences.")] = False,
    differing: Annotated[bool, typer.Option("--differing", help="Only what nothing explains.")] = False,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Compare the tokens in the ledger with those that engines counted themselves, in whole hours."""
    with connect(url) as services:
        found = services.metering.get(
            "/api/v1/reconciliation/engines",
            by=by.value,
            since=since(parse_duration(ago), CLOCK),
            until=since(0.0, CLOCK) if now else None,
            step=step.value if step is not None else None,
            state="differs" if differing else None,
        )
        names = _names(services) if output is OutputFormat.TABLE else {}
    rows = [{**row, "name": _name(row, by, names)} for row in found["items"]]
    if len(rows) > 1 and output is OutputFormat.TABLE and not differing:
        rows = [*rows, {**found["totals"], "name": "total"}]
    time = (Column("FROM", lambda row: row["at"] or ""),) if step is not None else ()
    columns = (
        Column(by.upper(), lambda row: row["name"]),
        *time,
        Column("STATE", lambda row: row["state"]),
        Column("REQUESTS", lambda row: row["requests"]),
        *_side("INPUT", "input"),
        *_side("OUTPUT", "output"),
        Column("WHY", _why, is_wrapped=True),
    )
    empty = "No replica differs." if differing else f"No engine worked in the last {ago}."
    show_items(rows, columns, output, empty=empty)
    if output is OutputFormat.TABLE and found["totals"]["not_comparable"]:
        note(f"{found['totals']['not_comparable']} of {found['totals']['replicas']} replicas cannot be compared.")


def _side(title: str, kind: str) -> tuple[Column, Column]:
    def figure(row: Item, name: str) -> object:
        return "-" if row[kind] is None else row[kind][name]

    def difference(row: Item) -> str:
        return "-" if row[kind] is None else f"{row[kind]['difference']:+d}"

    return Column(title, lambda row: figure(row, "recorded")), Column(f"{title} DIFF", difference)


def _why(row: Item) -> str:
    if row["why_not"]:
        return str(row["why_not"])
    causes = [one for kind in ("input", "output") if row[kind] is not None for one in row[kind]["causes"]]
    return ", ".join(dict.fromkeys(one["cause"] for one in causes))


def _name(row: Item, by: By, names: dict[str, str]) -> str:
    deployment = names.get(row["deployment_id"] or "", row["deployment_id"] or "")
    if by is By.DEPLOYMENT:
        return deployment
    return short_id(row["key"]) if by is By.NODE else f"{deployment} {short_id(row['key'])}".strip()


def _names(services: Services) -> dict[str, str]:
    """Return names for ids, as far as the catalog answers: figures without names are better than none."""
    try:
        return {item["id"]: item["name"] for item in services.catalog.items("/api/v1/deployments")}
    except Unreachable:
        return {}

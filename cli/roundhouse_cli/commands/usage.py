"""`roundhouse usage`: requests and tokens from the ledger."""

import enum
from decimal import Decimal
from typing import Annotated, Any

import typer

from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.commands.replica_usage import show_replica_usage
from roundhouse_cli.errors import Unreachable, UsageFault
from roundhouse_cli.output import Column, OutputFormat, show_items
from roundhouse_cli.rest import Services
from roundhouse_cli.units import parse_duration, since

__all__ = ["usage"]


class By(enum.StrEnum):
    MODEL = "model"
    KEY = "key"
    USER = "user"
    PROJECT = "project"
    TENANT = "tenant"
    KIND = "kind"
    PROVIDER = "provider"
    ROUTE = "route"
    DEPLOYMENT = "deployment"
    VERSION = "version"
    REPLICA = "replica"
    NODE = "node"


_OF_REPLICAS = (By.DEPLOYMENT, By.VERSION, By.REPLICA, By.NODE, By.PROJECT)


_COUNTS = (
    ("REQUESTS", "requests"),
    ("COMPLETED", "completed"),
    ("FAILED", "failed"),
    ("ABORTED", "aborted"),
    ("INPUT", "input_tokens"),
    ("CACHED", "cached_input_tokens"),
    ("OUTPUT", "output_tokens"),
    ("REASONING", "reasoning_tokens"),
)
_WHERE_ANY = (
    ("CACHE WRITE", "cache_write_tokens"),
    ("AUDIO IN", "input_audio_tokens"),
    ("AUDIO OUT", "output_audio_tokens"),
    ("IMAGE IN", "input_image_tokens"),
    ("IMAGE OUT", "output_image_tokens"),
)
"""Classes of tokens that few models have: columns only where there were any."""


def usage(
    by: Annotated[By | None, typer.Option(help="What to add up; by model, or by deployment with --replicas.")] = None,
    ago: Annotated[str, typer.Option("--since", metavar="DURATION", help="How far back, e.g. 24h or 7d.")] = "24h",
    bucket: Annotated[str, typer.Option(help="Split by time: 1m, 5m, 15m, 30m, 1h, 1d, 1w or 1mo.")] = "",
    time_zone: Annotated[str, typer.Option(help="Whose days and months, e.g. Europe/Berlin; UTC if none.")] = "",
    top: Annotated[int | None, typer.Option(help="Only so many; the rest is summed up.")] = None,
    tenant: Annotated[str, typer.Option(help="Another tenant's id, or all: for roles on the platform.")] = "",
    replicas: Annotated[bool, typer.Option("--replicas", help="What replicas held, instead of requests.")] = False,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Show requests, tokens and their cost by model, key, user and more; with --replicas, replica-hours."""
    start = since(parse_duration(ago), CLOCK)
    if replicas:
        chosen = _of_replicas(by or By.DEPLOYMENT)
        with connect(url) as services:
            show_replica_usage(services, by=chosen.value, since=start, ago=ago, output=output)
        return
    by = by or By.MODEL
    with connect(url) as services:
        found = services.metering.get(
            "/api/v1/usage",
            by=by.value,
            since=start,
            bucket=bucket or None,
            time_zone=time_zone or None,
            top=top,
            tenant=tenant or None,
        )
        names = _names(services, by)
    time = (Column("FROM", lambda row: row["bucket_start"]),) if bucket else ()
    counts = (*_COUNTS, *(one for one in _WHERE_ANY if any(row.get(one[1]) for row in found["items"])))
    columns = (
        Column(by.upper(), lambda row: row["name"]),
        *time,
        *(Column(title, lambda row, field=field: row.get(field, 0)) for title, field in counts),  # type: ignore[misc]
        Column("COST", lambda row: _cost(row, found["currency"])),
        Column("P50", lambda row: _ms(row["latency_ms"]["p50"])),
        Column("P95", lambda row: _ms(row["latency_ms"]["p95"])),
    )
    rows = [{**row, "name": names.get(row["key"], row["key"])} for row in found["items"]]
    if output is OutputFormat.TABLE and len(rows) > 1:
        rows = [*rows, {"name": "total", "bucket_start": "", **found["totals"]}]
    show_items(rows, columns, output, empty=f"No request in the last {ago}.")


def _cost(row: dict[str, Any], currency: str) -> str:
    """Return the cost with its currency, marked when some requests have no price: their cost is not known, not 0."""
    if not currency or row["unpriced"] == row["requests"]:
        return "unpriced"
    exact = Decimal(row["cost_nano"]) / 10**9
    return f"{'>' if row['unpriced'] else ''}{exact:.6f} {currency}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"


def _of_replicas(by: By) -> By:
    if by not in _OF_REPLICAS:
        raise UsageFault(f"--by {by.value} does not go with --replicas; there are: {', '.join(_OF_REPLICAS)}.")
    return by


def _names(services: Services, by: By) -> dict[str, str]:
    """Return names for ids, as far as the catalog answers: figures without names are better than none."""
    path = {By.KEY: "/api/v1/api-keys", By.DEPLOYMENT: "/api/v1/deployments"}.get(by)
    if path is None:
        return {}
    try:
        return {item["id"]: item["name"] for item in services.catalog.items(path)}
    except Unreachable:
        return {}

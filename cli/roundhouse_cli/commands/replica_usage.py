"""`roundhouse usage --replicas`: what replicas held, and for how long they served."""

from roundhouse_cli.errors import Unreachable
from roundhouse_cli.output import Column, OutputFormat, show_items
from roundhouse_cli.resolve import short_id
from roundhouse_cli.rest import Item, Services

__all__ = ["show_replica_usage"]

_HOUR_S = 3600.0
_GIB = 2.0**30


def show_replica_usage(services: Services, *, by: str, since: str, ago: str, output: OutputFormat) -> None:
    """Show replica-hours, device-hours and what else was claimed, by deployment, version, replica, node or project."""
    found = services.metering.get("/api/v1/replica-usage", by=by, since=since)
    if output is OutputFormat.JSON:
        show_items(found["items"], (), output, empty="")
        return
    names = _names(services, "projects" if by == "project" else "deployments")
    rows = [{**row, "name": _name(row, by, names)} for row in found["items"]]
    if len(rows) > 1:
        total = {"name": "total", "replicas": "", "replicas_at_end": sum(row["replicas_at_end"] for row in rows)}
        rows = [*rows, {**total, **found["totals"]}]
    columns = (
        Column(by.upper(), lambda row: row["name"]),
        Column("REPLICAS", lambda row: row["replicas"]),
        Column("NOW", lambda row: row["replicas_at_end"]),
        Column("HELD", lambda row: _hours(row["held_s"])),
        Column("SERVING", lambda row: _hours(row["serving_s"])),
        Column("DEVICE HOURS", lambda row: _hours(row["device_s"])),
        Column("CORE HOURS", lambda row: _hours(row["cpu_core_s"])),
        Column("GIB HOURS", lambda row: _hours(row["memory_byte_s"] / _GIB)),
    )
    show_items(rows, columns, output, empty=f"No replica held anything in the last {ago}.")


def _name(row: Item, by: str, names: dict[str, str]) -> str:
    deployment = names.get(row["deployment_id"] or "", row["deployment_id"] or "")
    match by:
        case "deployment":
            return deployment
        case "version":
            return f"{deployment} version {row['version_number']}"
        case "replica":
            return f"{deployment} {short_id(row['key'])}"
        case "project":
            return names.get(row["key"], row["key"]) or "none"
        case _:
            return short_id(row["key"])


def _hours(seconds: float) -> str:
    return f"{seconds / _HOUR_S:.2f} h"


def _names(services: Services, path: str) -> dict[str, str]:
    """Return names for ids, as far as the catalog answers: figures without names are better than none."""
    try:
        return {item["id"]: item["name"] for item in services.catalog.items(f"/api/v1/{path}")}
    except Unreachable:
        return {}

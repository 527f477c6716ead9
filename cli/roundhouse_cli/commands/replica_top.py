"""`roundhouse replicas top`: what every replica of a deployment uses now, and did in the last 15 minutes."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import typer

from roundhouse_cli.commands.deployments import find_deployment
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.commands.top import Every, Watch, device_cells, repeated, share
from roundhouse_cli.output import Column, OutputFormat, show_item, show_items
from roundhouse_cli.resolve import short_id
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.sparkline import sparkline
from roundhouse_cli.units import show_bytes, since

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Replicas: the copies of a deployment that run on nodes.")

_RANGE_S = 900.0
_STEP_S = 30
_NOW_WITHIN_S = 90.0


@app.callback()
def _group() -> None:
    """Replicas: the copies of a deployment that run on nodes."""


@app.command("top")
def top(
    deployment: Annotated[str, typer.Argument(metavar="DEPLOYMENT", help="A name, an id, or a part of an id.")],
    watch: Watch = False,
    every: Every = "5s",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Show processor, memory and devices of every replica, with their curves over the last 15 minutes."""
    with connect(url) as services:
        wanted = find_deployment(services, deployment)
        repeated(lambda: _show(services, wanted, output), every if watch else "")


def _show(services: Services, deployment: Item, output: OutputFormat) -> None:
    begin = since(_RANGE_S, CLOCK)
    found = services.metering.get(f"/api/v1/metrics/deployments/{deployment['id']}", since=begin, step_s=_STEP_S)
    if output is OutputFormat.JSON:
        show_item(found, output)
        return
    rows = [row for replica in found["replicas"] for row in _rows(replica, found)]
    empty = f"No replica of {deployment['name']} was sampled in the last 15 minutes."
    show_items(rows, _COLUMNS, output, empty=empty)


def _rows(replica: Item, found: Item) -> Iterator[Item]:
    """Yield one row for the replica with its first device, and one for each further device."""
    last = replica["points"][-1]
    is_now = CLOCK.now() - _seconds(last["at"]) <= _NOW_WITHIN_S
    latest = [{"uuid": device["uuid"], **device["points"][-1]} for device in replica["devices"] if device["points"]]
    devices = latest if is_now and latest else [None]
    cpu = {_seconds(point["at"]): point["cpu_user"] + point["cpu_system"] for point in replica["points"]}
    memory = {_seconds(point["at"]): point["memory_used_bytes"] for point in replica["points"]}
    yield {
        **(last if is_now else {}),
        "replica": short_id(replica["replica_id"]),
        "node": ", ".join(short_id(node_id) for node_id in replica["node_ids"]),
        "cpu_curve": _curve(cpu, found),
        "memory_curve": _curve(memory, found),
        **device_cells(devices[0]),
    }
    for device in devices[1:]:
        yield {"cpu_curve": " ", "memory_curve": " ", "replica": " ", "node": " ", **device_cells(device)}


def _curve(points: dict[int, float], found: Item) -> str:
    return sparkline(
        points,
        since=_seconds(found["since"]),
        until=_seconds(found["until"]),
        step_s=found["step_s"],
        top=max(points.values()),
    )


def _seconds(at: str) -> int:
    return round(datetime.fromisoformat(at).timestamp())


def _cores(field: str) -> "Column":
    return Column(field.removeprefix("cpu_").upper(), lambda row: f"{row[field]:.2f}" if field in row else _none(row))


def _none(row: Item) -> str:
    return " " if row["replica"] == " " else "-"


_COLUMNS = (
    Column("REPLICA", lambda row: row["replica"]),
    Column("NODE", lambda row: row["node"]),
    Column(
        "CPU",
        lambda row: share(row["cpu_user"] + row["cpu_system"], row["cpu_cores"]) if "cpu_user" in row else _none(row),
    ),
    _cores("cpu_user"),
    _cores("cpu_system"),
    Column("CPU, 15 MIN", lambda row: row["cpu_curve"]),
    Column("MEMORY", lambda row: show_bytes(row["memory_used_bytes"]) if "memory_used_bytes" in row else _none(row)),
    Column("MEMORY, 15 MIN", lambda row: row["memory_curve"]),
    Column("DEVICE", lambda row: row["device"] or _none(row)),
    Column("UTIL", lambda row: row["utilization"] if row["device"] else " "),
    Column("DEVICE MEMORY", lambda row: row["device_memory"] or " "),
    Column("TEMP", lambda row: row["temperature"] if row["device"] else " "),
    Column("POWER", lambda row: row["power"] if row["device"] else " "),
)

"""`roundhouse nodes top`: what every machine and every device does now."""

import sys
import time
from collections.abc import Callable, Iterator
from typing import Annotated

import typer

from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.errors import CliError, Failure
from roundhouse_cli.output import Column, OutputFormat, show_items
from roundhouse_cli.resolve import pick, short_id
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.units import age, parse_duration, show_bytes

__all__ = ["Every", "Watch", "device_cells", "nodes_top", "repeated", "share"]

_CLEAR = "\x1b[H\x1b[2J"

Watch = Annotated[bool, typer.Option("--watch", "-w", help="Show it again and again, until Ctrl-C.")]
Every = Annotated[str, typer.Option("--every", metavar="DURATION", help="With --watch: how often.")]


def nodes_top(
    node: Annotated[str, typer.Argument(metavar="[NODE]", help="Only this one.")] = "",
    watch: Watch = False,
    every: Every = "5s",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Show processor, memory and devices of every node, as last sampled."""
    with connect(url) as services:
        repeated(lambda: _show(services, node, output), every if watch else "")


def repeated(show: Callable[[], None], every: str) -> None:
    """Show once; with a duration in `every` again and again, on a cleared screen when there is one."""
    pause_s = parse_duration(every) if every else 0.0
    while True:
        if every and sys.stdout.isatty():
            print(_CLEAR, end="")
        show()
        if not every:
            return
        sys.stdout.flush()
        time.sleep(pause_s)


def share(used: float | None, total: float | None) -> str:
    """Write a part of a whole in percent."""
    return "-" if used is None or not total else f"{100 * used / total:.0f}%"


def device_cells(device: Item | None) -> Item:
    """Return what a table shows of one device; a dash where it does not tell."""
    if device is None:
        return {"device": "", "utilization": "", "device_memory": "", "temperature": "", "power": ""}
    utilization, temperature, power = device["utilization"], device["temperature_c"], device["power_w"]
    used, total = device["memory_used_bytes"], device["memory_total_bytes"]
    return {
        "device": device["uuid"],
        "utilization": None if utilization is None else f"{100 * utilization:.0f}%",
        "device_memory": f"{show_bytes(used)} / {show_bytes(total)}",
        "temperature": None if temperature is None else f"{temperature:.0f} °C",
        "power": None if power is None else f"{power:.0f} W",
    }


def _show(services: Services, wanted: str, output: OutputFormat) -> None:
    samples = services.metering.items("/api/v1/metrics/nodes")
    names = _hostnames(services)
    if wanted:
        known = [{"id": sample["node_id"], "hostname": names.get(sample["node_id"], "")} for sample in samples]
        if not known:
            raise Failure("No node has sent a sample in the last 15 minutes.")
        node_id = pick(known, wanted, "node", name_field="hostname")["id"]
        samples = [sample for sample in samples if sample["node_id"] == node_id]
    shown = samples if output is OutputFormat.JSON else [row for sample in samples for row in _rows(sample, names)]
    show_items(shown, _COLUMNS, output, empty="No node has sent a sample in the last 15 minutes.")


def _rows(sample: Item, names: dict[str, str]) -> Iterator[Item]:
    """Yield one row for the node with its first device, and one for each further device."""
    devices = sample["devices"] or [None]
    yield {**sample, "host": names.get(sample["node_id"]) or short_id(sample["node_id"]), **device_cells(devices[0])}
    for device in devices[1:]:
        yield device_cells(device)


def _hostnames(services: Services) -> dict[str, str]:
    """Return names for ids, as far as the scheduler answers: figures without names are better than none."""
    try:
        return {node["id"]: node["hostname"] for node in services.scheduler.items("/api/v1/nodes")}
    except CliError:
        return {}


def _of_node(write: Callable[[Item], object]) -> Callable[[Item], object]:
    """Write nothing in the rows of further devices."""
    return lambda row: write(row) if "node_id" in row else " "


_COLUMNS = (
    Column("NODE", _of_node(lambda row: row["host"])),
    Column("CPU", _of_node(lambda row: share(row["cpu_user"] + row["cpu_system"], row["cpu_cores"]))),
    Column("USER", _of_node(lambda row: f"{row['cpu_user']:.1f}")),
    Column("SYSTEM", _of_node(lambda row: f"{row['cpu_system']:.1f}")),
    Column("CORES", _of_node(lambda row: f"{row['cpu_cores']:.0f}")),
    Column("MEMORY", _of_node(lambda row: f"{show_bytes(row['memory_used_bytes'])}")),
    Column("OF", _of_node(lambda row: f"{show_bytes(row['memory_total_bytes'])}")),
    Column("USED", _of_node(lambda row: share(row["memory_used_bytes"], row["memory_total_bytes"]))),
    Column("REPLICAS", _of_node(lambda row: len(row["replicas"]))),
    Column("DEVICE", lambda row: row["device"] or " "),
    Column("UTIL", lambda row: row["utilization"] if row["device"] else " "),
    Column("DEVICE MEMORY", lambda row: row["device_memory"] or " "),
    Column("TEMP", lambda row: row["temperature"] if row["device"] else " "),
    Column("POWER", lambda row: row["power"] if row["device"] else " "),
    Column("SAMPLED", _of_node(lambda row: age(row["at"], CLOCK))),
)

"""`roundhouse status`: is it all there?"""

import typer

from roundhouse_cli.commands.deployments import statuses
from roundhouse_cli.commands.node_view import why_not_ready
from roundhouse_cli.commands.options import Output, Url, connect
from roundhouse_cli.errors import Unreachable
from roundhouse_cli.local.layout import DataDir
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.supervisor.processes import start_ticks
from roundhouse_cli.supervisor.records import ProcessRecord, read_records
from roundhouse_cli.waiting import describe

__all__ = ["status"]

_COLUMNS = (
    Column("SERVICE", lambda row: row["service"]),
    Column("STATE", lambda row: row["state"]),
    Column("URL", lambda row: row["url"]),
    Column("PID", lambda row: row["pid"]),
    Column("RESTARTS", lambda row: row["restarts"]),
    Column("DETAIL", lambda row: row["detail"], is_wrapped=True),
)


def status(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Show services, nodes and deployments. The exit code is 0 when all services are ready, 3 when none answers."""
    with connect(url) as services:
        rows = _service_rows(services)
        summary = _summary(services)
    if output is OutputFormat.JSON:
        show_item({"services": rows, **summary}, output)
    else:
        show_items(rows, _COLUMNS, output, empty="")
        _print_summary(summary)
    states = {row["state"] for row in rows if row["url"]}
    if states == {"unreachable"}:
        raise typer.Exit(Unreachable.exit_code)
    if states != {"ready"}:
        raise typer.Exit(1)


def _service_rows(services: Services) -> list[Item]:
    source = services.connection.source
    records = {record.name: record for record in read_records(DataDir(source.parent).run)} if source else {}
    rows = []
    for api in services.all():
        found = api.readiness()
        state = "ready" if found.is_ready else "not ready" if found.is_answering else "unreachable"
        rows.append(_row(api.service, state, api.base_url, found.why_not, records.pop(api.service, None)))
    records.pop("supervisor", None)
    return rows + [_row(name, _process_state(record), "", "", record) for name, record in records.items()]


def _process_state(record: ProcessRecord) -> str:
    return "runs" if start_ticks(record.pid) == record.start_ticks else "stopped"


def _row(service: str, state: str, url: str, detail: str, record: ProcessRecord | None) -> Item:
    restarts = record.restarts if record else None
    last_exit = f"last exit: {record.last_exit}" if record and record.last_exit else ""
    return {
        "service": service,
        "state": state,
        "url": url,
        "pid": record.pid if record else None,
        "restarts": restarts,
        "detail": "; ".join(part for part in (detail, last_exit) if part),
    }


def _summary(services: Services) -> Item:
    """Return nodes and deployments in short; empty where the scheduler does not answer."""
    try:
        nodes = services.scheduler.items("/api/v1/nodes")
    except Unreachable:
        return {"nodes": [], "deployments": []}
    return {
        "nodes": [
            {name: node.get(name, "") for name in ("id", "hostname", "state", "condition", "why")} for node in nodes
        ],
        "deployments": list(statuses(services).values()),
    }


def _print_summary(summary: Item) -> None:
    for node in summary["nodes"]:
        why = why_not_ready(node)
        note(f"node {node['hostname']}: {node['condition'] or node['state']}{why and f', {why}'}")
    for deployment in summary["deployments"]:
        note(f"deployment {deployment['name']}: {describe(deployment)}")

"""`roundhouse deployments`: what runs, how much of it, and what happened to it."""

import time
from typing import Annotated

import typer

from roundhouse_cli.commands.deployment_view import show_deployment
from roundhouse_cli.commands.launch_options import given, seconds
from roundhouse_cli.commands.logs import follow_logs, open_logs
from roundhouse_cli.commands.node_arguments import find_node
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.errors import Failure, Refused, Unreachable, UsageFault
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.resolve import pick, short_id
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.steps import Step, Steps
from roundhouse_cli.units import age
from roundhouse_cli.waiting import wait_until_running

__all__ = ["app", "find_deployment"]

app = typer.Typer(no_args_is_help=True, help="Deployments: list, scale, set, stop, start, remove, logs, events.")

Deployment = Annotated[str, typer.Argument(metavar="DEPLOYMENT", help="A name, an id, or a part of an id.")]
Wait = Annotated[bool, typer.Option("--wait", help="Return when it is so, not when it is asked for.")]

_POLL_S = 0.25
_SHUT_DOWN_S = 60.0
"""Beyond the drain timeout: how long engines may take to end."""
_COLUMNS = (
    Column("ID", lambda deployment: short_id(deployment["id"])),
    Column("NAME", lambda deployment: deployment["name"]),
    Column("MODEL", lambda deployment: deployment["active_version"]["model_name"]),
    Column("ENGINE", lambda deployment: deployment["active_version"]["engine"]),
    Column("VERSION", lambda deployment: deployment["active_version"]["number"]),
    Column("STATE", lambda deployment: deployment["status"].get("state", "-")),
    Column("READY", lambda deployment: _ready(deployment)),
    Column("AGE", lambda deployment: age(deployment["created_at"], CLOCK)),
    Column("WHY", lambda deployment: deployment["status"].get("why", ""), is_wrapped=True),
)
_EVENTS = (
    Column("AT", lambda event: event["at"]),
    Column("WHAT", lambda event: event["kind"]),
    Column("REPLICA", lambda event: short_id(event["replica_id"]) if event.get("replica_id") else ""),
    Column("FROM", lambda event: event.get("before")),
    Column("TO", lambda event: event.get("after")),
    Column("REASON", lambda event: event.get("reason")),
    Column("BY", lambda event: event.get("actor")),
    Column("DETAIL", lambda event: event.get("detail"), is_wrapped=True),
)


def find_deployment(services: Services, wanted: str) -> Item:
    """Return the deployment that is meant."""
    return pick(services.catalog.items("/api/v1/deployments"), wanted, "deployment")


def statuses(services: Services) -> dict[str, Item]:
    """Return the observed status by deployment id; empty, with a word to the person, when the scheduler is away."""
    try:
        return {status["deployment_id"]: status for status in services.scheduler.items("/api/v1/deployment-statuses")}
    except Unreachable as error:
        note(str(error))
        return {}


@app.command("ls")
def list_deployments(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List the deployments with their state."""
    with connect(url) as services:
        found, observed = services.catalog.items("/api/v1/deployments"), statuses(services)
        rows = [{**deployment, "status": observed.get(deployment["id"], {})} for deployment in found]
        show_items(rows, _COLUMNS, output, empty="Nothing is deployed; `roundhouse deploy MODEL` does it.")


@app.command("show")
def show(deployment: Deployment, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Show one deployment: its state and why, its replicas, and the last log lines of a failed one."""
    with connect(url) as services:
        found = find_deployment(services, deployment)
        status = statuses(services).get(found["id"], {})
        replicas = services.scheduler.items("/api/v1/replicas", deployment_id=found["id"])
        if output is OutputFormat.JSON:
            show_item({**found, "status": status, "replicas": replicas}, output)
        else:
            show_deployment(services, found, status, replicas)


@app.command("scale", context_settings={"ignore_unknown_options": True})
def scale(
    deployment: Deployment,
    replicas: Annotated[int, typer.Argument(min=0, help="How many copies to run.")],
    wait: Wait = False,
    url: Url = "",
) -> None:
    """Run more or fewer replicas."""
    with connect(url) as services:
        found = find_deployment(services, deployment)
        changed = services.catalog.patch(f"/api/v1/deployments/{found['id']}", {"replicas": replicas})
        if wait:
            wait_until_running(services, changed, CLOCK)
        note(f"{found['name']} {'runs' if wait else 'goes to'} {_replicas(replicas)}.")


@app.command("set")
def change(
    deployment: Deployment,
    disconnect_grace: Annotated[
        str, typer.Option(metavar="TIME", help="How long a silent node keeps its replicas, past its lease.")
    ] = "",
    drain_timeout: Annotated[str, typer.Option(metavar="TIME", help="How long requests may go on at a stop.")] = "",
    wake_timeout: Annotated[str, typer.Option(metavar="TIME", help="How long a request waits while it wakes.")] = "",
    failure_budget: Annotated[
        int | None, typer.Option(min=1, help="So many failed starts in a row and a replica rests.")
    ] = None,
    evictable: Annotated[bool | None, typer.Option(help="Whether it gives way to others while it is idle.")] = None,
    access: Annotated[
        str, typer.Option(metavar="WHOSE", help="API keys that may use it: private, tenant or public.")
    ] = "",
    url: Url = "",
) -> None:
    """Change settings of a deployment; what is not stated stays, and nothing is started anew."""
    stated = given(
        disconnect_grace_s=seconds(disconnect_grace, "--disconnect-grace"),
        drain_timeout_s=seconds(drain_timeout, "--drain-timeout"),
        wake_timeout_s=seconds(wake_timeout, "--wake-timeout"),
        failure_budget=failure_budget,
        is_evictable=evictable,
        access=access or None,
    )
    if not stated:
        raise UsageFault("State what to change; `roundhouse deployments set --help` lists the settings.")
    with connect(url) as services:
        found = find_deployment(services, deployment)
        changed = services.catalog.patch(f"/api/v1/deployments/{found['id']}", stated)
        note(f"{found['name']}: {', '.join(f'{name} {changed[name]}' for name in stated)}.")


@app.command("stop")
def stop(deployment: Deployment, url: Url = "") -> None:
    """Stop every replica; requests in flight may end first. The deployment stays."""
    with connect(url) as services:
        found = find_deployment(services, deployment)
        services.catalog.post(f"/api/v1/deployments/{found['id']}:stop")
        note(f"{found['name']} stops.")


@app.command("start")
def start(deployment: Deployment, wait: Wait = False, url: Url = "") -> None:
    """Start a stopped deployment again."""
    with connect(url) as services:
        found = find_deployment(services, deployment)
        changed = services.catalog.post(f"/api/v1/deployments/{found['id']}:start")
        if wait:
            wait_until_running(services, changed, CLOCK)
        if changed["generation"] == found["generation"]:
            again = f"roundhouse versions restart {found['name']} {found['active_version']['number']}"
            note(f"{found['name']} is to run already; `{again}` starts a version in Error anew.")
        else:
            note(f"{found['name']} {'runs' if wait else 'starts'}.")


@app.command("rm")
def remove(deployment: Deployment, url: Url = "") -> None:
    """Remove a deployment that is stopped, or in Error, for good; one that shuts down is waited for."""
    with connect(url) as services:
        found = find_deployment(services, deployment)
        with Steps().step(f"Removing {found['name']}") as step:
            _remove(services, found, step)
        note(f"{found['name']} is removed.")


@app.command("logs")
def logs(
    deployment: Deployment,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on showing what comes, until Ctrl-C.")] = False,
    tail: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the last lines of each replica.")] = 200,
    replica: Annotated[str, typer.Option(metavar="REPLICA", help="Only this one's; also one that ended.")] = "",
    node: Annotated[
        str, typer.Option(metavar="NODE", help="What was written there, by those that have moved since too.")
    ] = "",
    url: Url = "",
) -> None:
    """Show what the engines write, each line with its replica when there are several."""
    with connect(url) as services:
        found = find_deployment(services, deployment)
        opened = open_logs(services, found, replica, node_id=find_node(services, node)["id"] if node else "")
        for log in opened:
            log.show(tail=tail)
        if follow:
            follow_logs(services, found, opened, is_one=bool(replica))
        for log in opened:
            log.finish()


@app.command("events")
def events(
    deployment: Deployment,
    limit: Annotated[int, typer.Option(min=1, help="How many of the latest.")] = 50,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Show what happened, the latest last."""
    with connect(url) as services:
        found = find_deployment(services, deployment)
        happened = services.scheduler.items(f"/api/v1/deployments/{found['id']}/events")
        latest = sorted(happened, key=lambda event: (event["at"], event["id"]))[-limit:]
        show_items(latest, _EVENTS, output, empty="Nothing has happened yet.")


def _remove(services: Services, deployment: Item, step: Step) -> None:
    deadline = CLOCK.monotonic() + _SHUT_DOWN_S + deployment.get("drain_timeout_s", 0)
    while True:
        try:
            services.catalog.delete(f"/api/v1/deployments/{deployment['id']}")
            return
        except Refused as error:
            name = deployment["name"]
            if error.code == "deployment_running":
                raise Failure(f"{name} is to run; `roundhouse deployments stop {name}` comes first.") from error
            if error.code != "version_active" or CLOCK.monotonic() > deadline:
                raise
            step.note(str(error))
            time.sleep(_POLL_S)


def _ready(deployment: Item) -> str:
    """Of how many that there should be now: scaling may want another number than was set."""
    status = deployment["status"]
    return f"{status.get('replicas_ready', '-')}/{status.get('replicas_wanted', deployment['replicas'])}"


def _replicas(count: int) -> str:
    return f"{count} replica{'' if count == 1 else 's'}"

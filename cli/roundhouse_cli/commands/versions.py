"""`roundhouse versions`: the versions of a deployment, of which at most one is active."""

from typing import Annotated

import typer

from roundhouse_cli.commands.deployments import Deployment, Wait, find_deployment
from roundhouse_cli.commands.launch_options import given, settings_of, size
from roundhouse_cli.commands.model_arguments import find_model
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.errors import Failure, Unreachable
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.units import age
from roundhouse_cli.waiting import wait_until_running

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Versions of a deployment: list, add, start, restart, remove.")

Number = Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="The number of the version.")]

_COLUMNS = (
    Column("NUMBER", lambda version: version["number"]),
    Column("STATE", lambda version: version["status"].get("state", "-")),
    Column("ACTIVE", lambda version: version["is_active"]),
    Column("READY", lambda version: _ready(version["status"])),
    Column("MODEL", lambda version: version["model_name"]),
    Column("ENGINE", lambda version: version["engine"]),
    Column("PARAMETERS", lambda version: " ".join(f"{key}={value}" for key, value in version["parameters"].items())),
    Column("AGE", lambda version: age(version["created_at"], CLOCK)),
    Column("WHY", lambda version: _why(version["status"]), is_wrapped=True),
)


@app.command("ls")
def list_versions(deployment: Deployment, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List the versions with their states."""
    with connect(url) as services:
        found = find_deployment(services, deployment)
        rows = services.catalog.items(f"/api/v1/deployments/{found['id']}/versions")
        states = _states(services, found)
        # A version that the scheduler has never seen has not run.
        shown = [{**row, "status": states.get(row["number"], {"state": "Stopped"} if states else {})} for row in rows]
        show_items(shown, _COLUMNS, output, empty="It has no versions.")


@app.command("show")
def show(deployment: Deployment, number: Number, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Show everything about one version; when it failed, why."""
    with connect(url) as services:
        found = find_deployment(services, deployment)
        version = services.catalog.get(f"/api/v1/deployments/{found['id']}/versions/{number}")
        status = _states(services, found).get(number, {})
        show_item({**version, "status": status}, output)


@app.command("add")
def add(
    deployment: Deployment,
    model: Annotated[str, typer.Option(help="Another model; a name, an id, or a part of an id.")] = "",
    engine: Annotated[str, typer.Option(help="Another inference engine.")] = "",
    engine_version: Annotated[str, typer.Option(help="Exactly this version of the engine.")] = "",
    install_engine: Annotated[
        bool | None, typer.Option("--install-engine/--no-install-engine", help="May a node without it install it?")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="An engine parameter, laid over the active version's; KEY= takes one away. May be repeated.",
        ),
    ] = None,
    memory: Annotated[str, typer.Option(metavar="SIZE", help="Memory of one replica, e.g. 600MiB.")] = "",
    devices: Annotated[int | None, typer.Option(min=0, help="Accelerators of one replica on each node.")] = None,
    inactive: Annotated[bool, typer.Option("--inactive", help="Leave the active version active.")] = False,
    wait: Wait = False,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Add a version, which replaces the running one. What is not stated stays as in the active version."""
    with connect(url) as services:
        found = find_deployment(services, deployment)
        resources = given(memory_bytes=size(memory), device_count=devices)
        body = given(
            model=find_model(services, model)["id"] if model else None,
            engine=engine or None,
            engine_version=engine_version or None,
            installs_engine=install_engine,
            parameters=_parameters(found, engine, settings_of(settings, "--set")),
            resources=resources or None,
            activate=False if inactive else None,
        )
        made = services.catalog.post(f"/api/v1/deployments/{found['id']}/versions", body)
        if wait and not inactive:
            _await(services, found, made["number"])
        if output is OutputFormat.JSON:
            show_item(made, output)
        else:
            note(f"{found['name']} has version {made['number']}{_what_follows(found, is_active=not inactive)}.")


@app.command("start")
def start(deployment: Deployment, number: Number, wait: Wait = False, url: Url = "") -> None:
    """Make a version the active one; the one that runs is replaced by it."""
    with connect(url) as services:
        found = find_deployment(services, deployment)
        changed = services.catalog.post(f"/api/v1/deployments/{found['id']}/versions/{number}:start")
        if wait:
            _await(services, found, number)
        if changed["generation"] == found["generation"]:
            again = f"roundhouse versions restart {found['name']} {number}"
            note(f"{found['name']} is to run version {number} already; `{again}` starts one in Error anew.")
        else:
            note(f"{found['name']} {'runs' if wait else 'goes to'} version {number}.")


@app.command("restart")
def restart(deployment: Deployment, number: Number, wait: Wait = False, url: Url = "") -> None:
    """Run a version that is Stopped or in Error, with its failures forgotten."""
    with connect(url) as services:
        found = find_deployment(services, deployment)
        services.catalog.post(f"/api/v1/deployments/{found['id']}/versions/{number}:restart")
        if wait:
            _await(services, found, number)
        note(f"{found['name']} {'runs' if wait else 'starts'} version {number}{'' if wait else ' anew'}.")


@app.command("rm")
def remove(deployment: Deployment, number: Number, url: Url = "") -> None:
    """Remove a version that is Stopped or in Error, for good."""
    with connect(url) as services:
        found = find_deployment(services, deployment)
        services.catalog.delete(f"/api/v1/deployments/{found['id']}/versions/{number}")
        note(f"Version {number} of {found['name']} is removed.")


def _parameters(deployment: Item, engine: str, stated: dict[str, str] | None) -> dict[str, str] | None:
    """Lay what was stated over what the active version has, unless that is another engine's; an empty value takes a
    parameter away. None leaves it to the catalog."""
    if stated is None:
        return None
    active = deployment["active_version"]
    known = active["parameters"] if engine in ("", active["engine"]) else {}
    return {key: value for key, value in {**known, **stated}.items() if value}


def _what_follows(deployment: Item, *, is_active: bool) -> str:
    if not is_active:
        return ""
    return ", which takes over when it is resumed" if deployment.get("is_paused") else ", which takes over"


def _await(services: Services, deployment: Item, number: int) -> None:
    """Return when the version has taken over. Raises Failure when it did not, also when the one before it is back."""
    path = f"/api/v1/deployments/{deployment['id']}"
    wait_until_running(services, services.catalog.get(path), CLOCK)
    serving = services.catalog.get(path)["active_version"]["number"]
    if serving != number:
        show = f"`roundhouse versions show {deployment['name']} {number}`"
        raise Failure(f"Version {number} did not take over, version {serving} runs; {show} says why.")


def _states(services: Services, deployment: Item) -> dict[int, Item]:
    """Return what the scheduler says by number; nothing, with a word to the person, when it is away."""
    try:
        found = services.scheduler.items(f"/api/v1/deployments/{deployment['id']}/versions")
    except Unreachable as error:
        note(str(error))
        return {}
    return {status["number"]: status for status in found}


def _ready(status: Item) -> str:
    wanted = status.get("replicas_wanted")
    return "-" if not wanted else f"{status.get('replicas_ready', 0)}/{wanted}"


def _why(status: Item) -> str:
    failure = status.get("failure") or {}
    return str(failure.get("detail") or status.get("why") or "")

"""`roundhouse pause`, `resume` and `rollout`: how one version replaces another, and holding that."""

import typer

from roundhouse_cli.commands.deployments import Deployment, find_deployment
from roundhouse_cli.commands.options import Output, Url, connect
from roundhouse_cli.output import OutputFormat, note, show_item
from roundhouse_cli.rest import Item

__all__ = ["app", "pause", "resume"]

app = typer.Typer(no_args_is_help=True, help="Rollouts: how far one version has replaced another.")


def pause(deployment: Deployment, url: Url = "") -> None:
    """Hold rollouts and automatic scaling; failed and lost replicas are still replaced."""
    with connect(url) as services:
        found = find_deployment(services, deployment)
        services.catalog.post(f"/api/v1/deployments/{found['id']}:pause")
        note(f"{found['name']} is paused; `roundhouse resume {found['name']}` lets it go on.")


def resume(deployment: Deployment, url: Url = "") -> None:
    """Let rollouts and automatic scaling go on."""
    with connect(url) as services:
        found = find_deployment(services, deployment)
        services.catalog.post(f"/api/v1/deployments/{found['id']}:resume")
        note(f"{found['name']} goes on.")


@app.command("status")
def status(deployment: Deployment, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Show how far the rollout is, and what it waits for."""
    with connect(url) as services:
        found = find_deployment(services, deployment)
        observed = services.scheduler.get(f"/api/v1/deployments/{found['id']}/status")
        if output is OutputFormat.JSON:
            show_item(observed, output)
        else:
            show_item(_facts(found, observed), output)


@app.command("set")
def change(
    deployment: Deployment,
    strategy: str = typer.Option("", help="rolling or recreate."),
    max_surge: int | None = typer.Option(None, min=0, help="Replicas too many meanwhile."),
    max_unavailable: int | None = typer.Option(None, min=0, help="Replicas too few meanwhile."),
    min_ready_s: float | None = typer.Option(None, min=0, help="How long ready before it counts."),
    progress_deadline_s: float | None = typer.Option(None, min=1, help="Without progress for so long it has failed."),
    rollback: bool | None = typer.Option(None, help="Whether a failed version gives way to the one before it."),
    url: Url = "",
) -> None:
    """Change how versions replace each other; what is not stated stays."""
    stated = {
        "strategy": strategy or None,
        "max_surge": max_surge,
        "max_unavailable": max_unavailable,
        "min_ready_s": min_ready_s,
        "progress_deadline_s": progress_deadline_s,
        "is_rolled_back": rollback,
    }
    with connect(url) as services:
        found = find_deployment(services, deployment)
        rollout = {**found["rollout"], **{name: value for name, value in stated.items() if value is not None}}
        services.catalog.patch(f"/api/v1/deployments/{found['id']}", {"rollout": rollout})
        note(f"{found['name']}: {', '.join(f'{name} {value}' for name, value in rollout.items())}.")


def _facts(deployment: Item, observed: Item) -> Item:
    rollout = observed.get("rollout")
    facts: Item = {
        "name": deployment["name"],
        "state": observed["state"],
        "why": observed.get("why"),
        "paused": bool(observed.get("is_paused")),
        "strategy": deployment.get("rollout", {}).get("strategy"),
    }
    if not rollout:
        version = deployment["active_version"]["number"]
        return {**facts, "rollout": f"none is under way; version {version} is the active one"}
    return {
        **facts,
        "rollout": f"version {rollout['from_version_number']} -> {rollout['version_number']}",
        "new replicas": f"{rollout['updated']} of {rollout['wanted']}, {rollout['available']} available",
        "began": rollout["began_at"],
        "waits for": rollout.get("why"),
    }

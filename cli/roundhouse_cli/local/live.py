"""What the foreground `up` shows while it runs."""

from roundhouse_cli.errors import CliError
from roundhouse_cli.rest import Services

__all__ = ["live_line", "running_model"]


def live_line(services: Services) -> str:
    """Return the state of the platform in one line."""
    try:
        nodes = services.scheduler.items("/api/v1/nodes")
        deployments = services.scheduler.items("/api/v1/deployment-statuses")
    except CliError:
        return "Running; the scheduler does not answer at the moment."
    ready_nodes = sum(node["state"] == "ready" for node in nodes)
    ready = sum(deployment["replicas_ready"] for deployment in deployments)
    wanted = sum(deployment["replicas_wanted"] for deployment in deployments)
    return (
        f"Running: {ready_nodes}/{len(nodes)} nodes, {len(deployments)} deployments, {ready}/{wanted} replicas ready."
    )


def running_model(services: Services) -> str | None:
    """Return a name that answers chats now, or None."""
    try:
        listed = services.router.get("/v1/models")["data"]
        statuses = services.scheduler.items("/api/v1/deployment-statuses")
    except CliError:
        return None
    names = {model["id"] for model in listed}
    return next((found["name"] for found in statuses if found["replicas_ready"] and found["name"] in names), None)

"""`roundhouse ps`: every replica, its phase and why."""

from typing import Annotated

import typer

from roundhouse_cli.commands.deployments import find_deployment
from roundhouse_cli.commands.options import Output, Url, connect
from roundhouse_cli.commands.replica_table import REPLICA_COLUMNS, with_hosts
from roundhouse_cli.output import OutputFormat, show_items

__all__ = ["ps"]


def ps(
    deployment: Annotated[str, typer.Argument(metavar="[DEPLOYMENT]", help="Only this one's.")] = "",
    everything: Annotated[bool, typer.Option("--all", "-a", help="Also those that ended.")] = False,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """List the replicas with phase and reason."""
    with connect(url) as services:
        wanted = find_deployment(services, deployment)["id"] if deployment else None
        found = services.scheduler.items("/api/v1/replicas", deployment_id=wanted, ended=True if everything else None)
        shown = found if output is OutputFormat.JSON else with_hosts(services, found)
        show_items(shown, REPLICA_COLUMNS, output, empty="No replica runs.")

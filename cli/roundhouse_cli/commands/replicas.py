"""`roundhouse ps`: every replica, its phase and why."""

from typing import Annotated

import typer

from roundhouse_cli.commands.deployments import find_deployment
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.output import Column, OutputFormat, show_items
from roundhouse_cli.resolve import short_id
from roundhouse_cli.rest import Item
from roundhouse_cli.units import age

__all__ = ["ps"]


def explain(replica: Item) -> str:
    """Say in words why a replica is in its phase: its detail, else what each node had against it."""
    if replica.get("detail"):
        return str(replica["detail"])
    rejections = (
        f"{short_id(found['node_id'])}: {found['detail'] or found['reason']}" for found in replica["rejections"]
    )
    return "; ".join(rejections)


_COLUMNS = (
    Column("REPLICA", lambda replica: short_id(replica["id"])),
    Column("DEPLOYMENT", lambda replica: replica["deployment_name"]),
    Column("VERSION", lambda replica: replica["version_number"]),
    Column("NODE", lambda replica: short_id(replica["node_id"])),
    Column("PHASE", lambda replica: replica["phase"]),
    Column("WANTED", lambda replica: replica["desired"]),
    Column("REASON", lambda replica: replica["reason"]),
    Column("TRIES", lambda replica: replica["attempt"]),
    Column("SINCE", lambda replica: age(replica["since"], CLOCK)),
    Column("DETAIL", explain, is_wrapped=True),
)


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
        show_items(found, _COLUMNS, output, empty="No replica runs.")

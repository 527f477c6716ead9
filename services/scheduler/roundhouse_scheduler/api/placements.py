"""/api/v1/placements:dryRun"""

from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import select

from roundhouse_common.auth import Subject, reach_of
from roundhouse_common.errors import Forbidden
from roundhouse_common.http import requires
from roundhouse_scheduler.api.commands import with_commands
from roundhouse_scheduler.api.placement_views import DryRun, DryRunView
from roundhouse_scheduler.api.seen import Scheduler
from roundhouse_scheduler.domain.placement.trial import board_from, try_placing
from roundhouse_scheduler.domain.provisioning.documents import ready_keys
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.rows import node_from, replica_from

__all__ = ["placement_routes"]

_Reader = Annotated[Subject, Depends(requires("nodes:read"))]


def placement_routes(scheduler: Scheduler) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/api/v1", tags=["placements"])

    @routes.post("/placements:dryRun")
    async def dry_run(subject: _Reader, body: DryRun) -> DryRunView:
        """Say where replicas of a version would go now, or for each node and device why not, and with `command` what
        would be started there. Writes nothing."""
        if body.command is not None:
            _require_to_deploy(subject)
        live = select(tables.replicas).where(tables.replicas.c.ended_at.is_(None), tables.replicas.c.node_id != "")
        async with scheduler.db.read() as session:
            nodes = {row.node_id: node_from(row) for row in await session.execute(select(tables.nodes))}
            replicas = [replica_from(row) for row in await session.execute(live)]
        shape = body.shape(nodes)
        files = {node_id: ready_keys(store) for node_id, store in scheduler.stores.items()}
        trial = try_placing(shape, board_from(nodes, replicas, files), body.replicas, files=body.files)
        found = DryRunView.of(trial, nodes, body, files)
        return found if body.command is None else await with_commands(scheduler, body, body.command, found, nodes)

    return routes


def _require_to_deploy(subject: Subject) -> None:
    """Raise Forbidden: a node that renders a command also says which paths there are on it."""
    if reach_of(subject, "deployments:write").project_ids == frozenset():
        raise Forbidden(f"{subject.actor} may not do deployments:write anywhere, so it is not told commands.")

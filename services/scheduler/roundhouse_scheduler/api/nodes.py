"""/api/v1/nodes"""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from roundhouse_common.auth import Subject
from roundhouse_common.database import ReadSession
from roundhouse_common.http import Page, PageRequest, etag, moment_of, page_of, page_request, requires
from roundhouse_common.http.audit import enter_change
from roundhouse_scheduler.api.audited import AuditedNode
from roundhouse_scheduler.api.node_views import NodeEventView, NodeView, orders_tag
from roundhouse_scheduler.api.seen import Scheduler
from roundhouse_scheduler.domain.records import Node, Replica
from roundhouse_scheduler.store.node_events import Line, list_node_events
from roundhouse_scheduler.store.nodes import give_up
from roundhouse_scheduler.store.pages import find_node, list_nodes, replicas_on, waiting_of

__all__ = ["node_routes"]

_Reader = Annotated[Subject, Depends(requires("nodes:read"))]
_Writer = Annotated[Subject, Depends(requires("nodes:write"))]
_Page = Annotated[PageRequest, Depends(page_request)]
_Removed = Annotated[bool, Query(description="Also those that were removed.")]


def node_routes(scheduler: Scheduler) -> APIRouter:
    """Return the routes that show nodes. Nodes belong to the platform, not to a tenant."""
    routes = APIRouter(prefix="/api/v1/nodes", tags=["nodes"])

    @routes.get("")
    async def get_nodes(_subject: _Reader, page: _Page, removed: _Removed = False) -> Page[NodeView]:
        """List the nodes by id."""
        async with scheduler.db.read() as session:
            nodes = await list_nodes(session, limit=page.fetch, after=page.after or "", with_removed=removed)
            replicas = await replicas_on(session, [node.node_id for node in nodes])
            waiting = await _waiting(session, nodes, replicas)
        return page_of(nodes, page, key=_key, item=lambda node: _view(node, replicas, waiting))

    @routes.get("/{node_id}")
    async def get_node(_subject: _Reader, node_id: str, response: Response) -> NodeView:
        """Show one node. Its ETag stands for what administrators ordered, not for what it reports."""
        async with scheduler.db.read() as session:
            node = await find_node(session, node_id)
            replicas = await replicas_on(session, [node_id])
            waiting = await _waiting(session, [node], replicas)
        response.headers["etag"] = etag(orders_tag(node))
        return _view(node, replicas, waiting)

    @routes.get("/{node_id}/events")
    async def get_events(_subject: _Reader, node_id: str, page: _Page) -> Page[NodeEventView]:
        """List what happened to a node, the oldest first: registrations, silences, orders."""
        async with scheduler.db.read() as session:
            await find_node(session, node_id)
            after = None if page.after is None else moment_of(page.after)
            rows = await list_node_events(session, node_id, limit=page.fetch, after=after)
        return page_of(rows, page, key=_line_key, item=NodeEventView.of)

    @routes.post("/{node_id}:give-up", status_code=204)
    async def give_up_node(_subject: _Writer, node_id: str) -> None:
        """Say that a silent node is dead: its replicas are replaced now, whatever the grace and the fleet brake.

        409 while the node is heard. When it comes back after all, one survivor of each replica is kept.
        """
        async with scheduler.db.write() as session:
            before = AuditedNode.of(await find_node(session, node_id))
            await give_up(session, node_id)
            await enter_change(
                session, before=before, after=AuditedNode.of(await find_node(session, node_id)), action="node.give-up"
            )
            session.after_commit(scheduler.wake)

    return routes


async def _waiting(session: ReadSession, nodes: list[Node], replicas: list[Replica]) -> list[Replica]:
    """Return what the drains of these nodes wait for."""
    leaving = {node.node_id for node in nodes if node.is_leaving}
    return await waiting_of(session, sorted({item.deployment_id for item in replicas if item.node_id in leaving}))


def _key(node: Node) -> str:
    return node.node_id


def _line_key(line: Line) -> str:
    return line.key


def _view(node: Node, replicas: list[Replica], waiting: list[Replica]) -> NodeView:
    return NodeView.of(node, [item for item in replicas if item.node_id == node.node_id], waiting)

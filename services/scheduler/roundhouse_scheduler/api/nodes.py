"""/api/v1/nodes"""

from typing import Annotated

from fastapi import APIRouter, Depends

from roundhouse_common.auth import Subject
from roundhouse_common.http import Page, PageRequest, page_of, page_request, requires
from roundhouse_scheduler.api.node_views import NodeView
from roundhouse_scheduler.api.seen import Scheduler
from roundhouse_scheduler.domain.records import Node, Replica
from roundhouse_scheduler.store.nodes import give_up
from roundhouse_scheduler.store.pages import find_node, list_nodes, replicas_on

__all__ = ["node_routes"]

_Reader = Annotated[Subject, Depends(requires("nodes:read"))]
_Writer = Annotated[Subject, Depends(requires("nodes:write"))]
_Page = Annotated[PageRequest, Depends(page_request)]


def node_routes(scheduler: Scheduler) -> APIRouter:
    """Return the routes. Nodes belong to the platform, not to a tenant."""
    routes = APIRouter(prefix="/api/v1/nodes", tags=["nodes"])

    @routes.get("")
    async def get_nodes(_subject: _Reader, page: _Page) -> Page[NodeView]:
        """List the nodes by id."""
        async with scheduler.db.read() as session:
            nodes = await list_nodes(session, limit=page.fetch, after=page.after or "")
            replicas = await replicas_on(session, [node.node_id for node in nodes])
        return page_of(nodes, page, key=_key, item=lambda node: _view(node, replicas))

    @routes.get("/{node_id}")
    async def get_node(_subject: _Reader, node_id: str) -> NodeView:
        """Show one node."""
        async with scheduler.db.read() as session:
            node = await find_node(session, node_id)
            replicas = await replicas_on(session, [node_id])
        return _view(node, replicas)

    @routes.post("/{node_id}:give-up", status_code=204)
    async def give_up_node(_subject: _Writer, node_id: str) -> None:
        """Say that a silent node is dead: its replicas are replaced now, whatever the grace and the fleet brake.

        409 while the node is heard. When it comes back after all, one survivor of each replica is kept.
        """
        async with scheduler.db.write() as session:
            await give_up(session, node_id)
            session.after_commit(scheduler.wake)

    return routes


def _key(node: Node) -> str:
    return node.node_id


def _view(node: Node, replicas: list[Replica]) -> NodeView:
    return NodeView.of(node, [item for item in replicas if item.node_id == node.node_id])

"""What administrators do to nodes: /api/v1/nodes/{id}:cordon and its like, labels, devices, removal"""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response
from pydantic import Field

from roundhouse_common.auth import Subject
from roundhouse_common.http import Body, etag, require_if_match, requires
from roundhouse_common.http.audit import enter_change
from roundhouse_scheduler.api.audited import AuditedNode
from roundhouse_scheduler.api.node_views import NodeView, orders_tag
from roundhouse_scheduler.api.seen import Scheduler
from roundhouse_scheduler.domain import duties
from roundhouse_scheduler.domain.records import Node, NodeDuty
from roundhouse_scheduler.store.node_orders import carry_out, remove_node
from roundhouse_scheduler.store.pages import find_node, replicas_on, waiting_of

__all__ = ["NodeChanges", "Order", "node_order_routes"]

_Writer = Annotated[Subject, Depends(requires("nodes:write"))]
_IfMatch = Annotated[str | None, Header(description="The ETag of what was read, or *.")]
_Labels = dict[Annotated[str, Field(min_length=1, max_length=63)], Annotated[str, Field(max_length=255)]]
_Place = Annotated[str, Field(max_length=255)]


class Order(Body):
    """An order, and why it is given."""

    reason: str = Field(default="", max_length=500, description="For people: shown with the node and in its timeline.")


class NodeChanges(Body):
    """What an administrator says of a node; what is left out stays as it is."""

    labels: _Labels | None = Field(
        default=None, max_length=64, description="All labels of the administrator: those that are not named go."
    )
    region: _Place | None = Field(default=None, description="Empty: as the host says.")
    zone: _Place | None = Field(default=None, description="Empty: as the host says.")


_Obey = Callable[[Subject, str, Callable[[Node], duties.Ordered], Response], Awaitable[NodeView]]

_DUTIES = {
    "cordon": (NodeDuty.CORDONED, "Place nothing new on it; what runs goes on. Ends a drain where it is."),
    "uncordon": (NodeDuty.ACTIVE, "Place replicas on it again."),
    "drain": (NodeDuty.DRAINING, "Move its replicas away, each when its replacement is ready; nothing new comes."),
    "maintenance": (NodeDuty.MAINTENANCE, "As a drain, and its silence alarms nobody and holds no brake."),
}


def node_order_routes(scheduler: Scheduler) -> APIRouter:
    """Return the routes. Every order is safe to repeat: what is so already changes nothing."""
    routes = APIRouter(prefix="/api/v1/nodes", tags=["nodes"])

    async def obey(
        subject: Subject, node_id: str, order: Callable[[Node], duties.Ordered], response: Response
    ) -> NodeView:
        async with scheduler.db.write() as session:
            event_id, at = scheduler.ids.new("evt"), scheduler.clock.now()
            before = await find_node(session, node_id)
            if await carry_out(session, node_id, order, at=at, actor=subject.actor, event_id=event_id):
                session.after_commit(scheduler.wake)
            node = await find_node(session, node_id)
            await enter_change(session, before=AuditedNode.of(before), after=AuditedNode.of(node), object_kind="node")
            held = await replicas_on(session, [node_id])
            waiting = (
                await waiting_of(session, sorted({item.deployment_id for item in held})) if node.is_leaving else []
            )
        response.headers["etag"] = etag(orders_tag(node))
        return NodeView.of(node, held, waiting)

    for verb, (duty, says) in _DUTIES.items():
        _add_duty(routes, obey, scheduler, verb=verb, duty=duty, says=says)

    @routes.post("/{node_id}:approve")
    async def approve_node(subject: _Writer, node_id: str, response: Response, _order: Order | None = None) -> NodeView:
        """Let a node that joined have something to run."""
        return await obey(subject, node_id, duties.approve, response)

    @routes.patch("/{node_id}")
    async def change_node(
        subject: _Writer, node_id: str, body: NodeChanges, response: Response, if_match: _IfMatch = None
    ) -> NodeView:
        """Set labels, region and zone, over those that the host tells."""

        def order(node: Node) -> duties.Ordered:
            require_if_match(if_match, orders_tag(node))
            return duties.relabel(node, labels=body.labels, region=body.region, zone=body.zone)

        return await obey(subject, node_id, order, response)

    @routes.delete("/{node_id}", status_code=204)
    async def delete_node(subject: _Writer, node_id: str) -> None:
        """Remove a node that is drained, or dead and given up: its credentials are taken back.

        409 while something may still run there, with what to do. It comes back only by joining again.
        """
        async with scheduler.db.write() as session:
            event_id, at = scheduler.ids.new("evt"), scheduler.clock.now()
            await enter_change(session, before=AuditedNode.of(await find_node(session, node_id)))
            if await remove_node(session, node_id, at=at, actor=subject.actor, event_id=event_id):
                session.after_commit(scheduler.wake)

    @routes.post("/{node_id}/devices/{device_uuid}:quarantine")
    async def quarantine_device(
        subject: _Writer, node_id: str, device_uuid: str, response: Response, order: Order | None = None
    ) -> NodeView:
        """Take one device out of use, until it is released: what runs on it moves away."""
        reason, at = order.reason if order else "", scheduler.clock.now()
        return await obey(
            subject,
            node_id,
            lambda node: duties.quarantine(node, device_uuid, reason=reason, actor=subject.actor, at=at),
            response,
        )

    @routes.post("/{node_id}/devices/{device_uuid}:release")
    async def release_device(
        subject: _Writer, node_id: str, device_uuid: str, response: Response, _order: Order | None = None
    ) -> NodeView:
        """Use a quarantined device again."""
        return await obey(subject, node_id, lambda node: duties.release(node, device_uuid), response)

    return routes


def _add_duty(routes: APIRouter, obey: _Obey, scheduler: Scheduler, *, verb: str, duty: NodeDuty, says: str) -> None:
    async def set_duty(subject: _Writer, node_id: str, response: Response, order: Order | None = None) -> NodeView:
        reason, at = order.reason if order else "", scheduler.clock.now()
        return await obey(subject, node_id, lambda node: duties.set_duty(node, duty, reason=reason, at=at), response)

    routes.add_api_route(
        f"/{{node_id}}:{verb}",
        set_duty,
        methods=["POST"],
        name=f"{verb}_node",
        summary=f"{verb.title()} a node",
        description=says,
    )

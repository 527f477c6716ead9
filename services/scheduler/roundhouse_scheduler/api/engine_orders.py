"""/api/v1/engine-orders"""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from roundhouse_common.auth import Subject
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.http import Page, PageRequest, page_of, page_request, requires
from roundhouse_common.http.audit import enter_change
from roundhouse_common.http.idempotency import IdempotencyKey, idempotency_key, reply
from roundhouse_scheduler.api.audited import AuditedEngine
from roundhouse_scheduler.api.order_bodies import EngineToOrder
from roundhouse_scheduler.api.order_views import EngineOrderView
from roundhouse_scheduler.api.seen import Scheduler
from roundhouse_scheduler.domain.provisioning.drafts import Faults, check_engine, check_nodes
from roundhouse_scheduler.domain.provisioning.orders import OrderedEngine
from roundhouse_scheduler.store.provisioning import find_engine_order, list_engine_orders, read_engine_orders
from roundhouse_scheduler.store.standing_orders import place_order, remove_engine, retry_order, told_nodes

__all__ = ["engine_order_routes"]

_Reader = Annotated[Subject, Depends(requires("nodes:read"))]
_Writer = Annotated[Subject, Depends(requires("nodes:write"))]
_Page = Annotated[PageRequest, Depends(page_request)]
_Key = Annotated[IdempotencyKey | None, Depends(idempotency_key)]


def engine_order_routes(scheduler: Scheduler) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/api/v1/engine-orders", tags=["engines"])

    async def view(session: ReadSession, order: OrderedEngine) -> EngineOrderView:
        nodes, orders = await told_nodes(session), await read_engine_orders(session)
        return EngineOrderView.of(order, nodes, scheduler.stores, orders)

    @routes.get("")
    async def get_engine_orders(_subject: _Reader, page: _Page) -> Page[EngineOrderView]:
        """List the orders, the oldest first."""
        async with scheduler.db.read() as session:
            rows = await list_engine_orders(session, limit=page.fetch, after=page.after or "")
            nodes, orders = await told_nodes(session), await read_engine_orders(session)
        return page_of(rows, page, key=_id, item=lambda row: EngineOrderView.of(row, nodes, scheduler.stores, orders))

    @routes.post(
        "",
        status_code=201,
        response_model=EngineOrderView,
        responses={200: {"model": EngineOrderView, "description": "The same is ordered already."}},
    )
    async def order_engine(subject: _Writer, body: EngineToOrder, key: _Key) -> Response:
        """Have nodes install an engine.

        The same again for the same nodes is the order there is. 409 where another order covers some of the named
        nodes. Nodes that already have it are done at once.
        """

        async def work(session: WriteSession) -> Response:
            nodes = await told_nodes(session)
            faults = Faults()
            engine, method = check_engine(body.draft(), faults)
            selector = check_nodes(body.nodes.draft(), {node.node_id for node in nodes}, faults)
            faults.refuse()
            now = scheduler.clock.now()
            order = OrderedEngine(
                order_id=scheduler.ids.new("eor"),
                engine=engine,
                version=body.version,
                variant=body.variant,
                method=method,
                path=body.path,
                image=body.image,
                nodes=selector,
                actor=subject.actor,
                created_at=now,
                changed_at=now,
            )
            existing = await read_engine_orders(session)
            order, is_new = await place_order(session, order, existing, nodes, ids=scheduler.ids)
            was = None if is_new else AuditedEngine.of(order)
            await enter_change(session, before=was, after=AuditedEngine.of(order), action="engine-order.create")
            session.after_commit(scheduler.wake_orders)
            found = EngineOrderView.of(order, nodes, scheduler.stores, existing)
            return reply(found, 201 if is_new else 200, {"location": f"{routes.prefix}/{order.order_id}"})

        return await scheduler.idempotency.run(key, subject, work)

    @routes.get("/{order_id}")
    async def get_engine_order(_subject: _Reader, order_id: str) -> EngineOrderView:
        """Show one order, and how far each node is with it."""
        async with scheduler.db.read() as session:
            return await view(session, await find_engine_order(session, order_id))

    @routes.delete("/{order_id}", status_code=202)
    async def remove_engine_order(subject: _Writer, order_id: str) -> EngineOrderView:
        """Take the engine from its nodes again, from each as soon as no replica runs in it.

        The order is listed until every node has reported that it is gone, or is removed itself.
        """
        async with scheduler.db.write() as session:
            before = order = await find_engine_order(session, order_id)
            nodes, now = await told_nodes(session), scheduler.clock.now()
            order = await remove_engine(session, order, nodes, actor=subject.actor, at=now, ids=scheduler.ids)
            await enter_change(session, before=AuditedEngine.of(before), after=AuditedEngine.of(order))
            session.after_commit(scheduler.wake_orders)
            return await view(session, order)

    @routes.post("/{order_id}:retry", status_code=202)
    async def retry_engine_order(subject: _Writer, order_id: str) -> EngineOrderView:
        """Let nodes on which it failed try it again."""
        async with scheduler.db.write() as session:
            before = order = await find_engine_order(session, order_id)
            nodes, now = await told_nodes(session), scheduler.clock.now()
            order = await retry_order(session, order, nodes, actor=subject.actor, at=now, ids=scheduler.ids)
            await enter_change(session, before=AuditedEngine.of(before), after=AuditedEngine.of(order))
            session.after_commit(scheduler.wake_orders)
            return await view(session, order)

    return routes


def _id(order: OrderedEngine) -> str:
    return order.order_id

"""/api/v1/file-orders"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response

from roundhouse_common.auth import Subject
from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.contracts.provisioning import FileWish
from roundhouse_common.database import WriteSession
from roundhouse_common.http import Page, PageRequest, page_of, page_request, requires
from roundhouse_common.http.audit import enter_change
from roundhouse_common.http.idempotency import IdempotencyKey, idempotency_key, reply
from roundhouse_common.model_sources import source_key
from roundhouse_scheduler.api.audited import AuditedFiles
from roundhouse_scheduler.api.order_bodies import FilesToOrder
from roundhouse_scheduler.api.order_views import FileOrderView
from roundhouse_scheduler.api.seen import Scheduler
from roundhouse_scheduler.domain.provisioning.drafts import Faults, check_nodes, check_source
from roundhouse_scheduler.domain.provisioning.orders import OrderedFiles
from roundhouse_scheduler.domain.records import Node
from roundhouse_scheduler.store.provisioning import find_file_order, find_upload, list_file_orders, read_file_orders
from roundhouse_scheduler.store.standing_orders import (
    place_order,
    remove_files,
    retry_order,
    told_nodes,
    wish_files,
)

__all__ = ["file_order_routes"]

_Reader = Annotated[Subject, Depends(requires("nodes:read"))]
_Writer = Annotated[Subject, Depends(requires("nodes:write"))]
_Page = Annotated[PageRequest, Depends(page_request)]
_Key = Annotated[IdempotencyKey | None, Depends(idempotency_key)]
_Files = Annotated[
    Literal["keep", "remove"],
    Query(description="`keep`: fetching ends, what is whole stays; `remove`: the files are deleted."),
]
_Change = Callable[[WriteSession, OrderedFiles, Sequence[Node], float], Awaitable[OrderedFiles]]


def file_order_routes(scheduler: Scheduler) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/api/v1/file-orders", tags=["model files"])

    def view(order: OrderedFiles, nodes: Sequence[Node]) -> FileOrderView:
        return FileOrderView.of(order, nodes, scheduler.stores, scheduler.live)

    async def change(order_id: str, how: _Change) -> FileOrderView:
        async with scheduler.db.write() as session:
            before = await find_file_order(session, order_id)
            nodes = await told_nodes(session)
            order = await how(session, before, nodes, scheduler.clock.now())
            await enter_change(session, before=AuditedFiles.of(before), after=AuditedFiles.of(order))
            session.after_commit(scheduler.wake_orders)
        return view(order, nodes)

    @routes.get("")
    async def get_file_orders(_subject: _Reader, page: _Page) -> Page[FileOrderView]:
        """List the orders, the oldest first."""
        async with scheduler.db.read() as session:
            rows = await list_file_orders(session, limit=page.fetch, after=page.after or "")
            nodes = await told_nodes(session)
        return page_of(rows, page, key=_id, item=lambda row: view(row, nodes))

    @routes.post(
        "",
        status_code=201,
        response_model=FileOrderView,
        responses={200: {"model": FileOrderView, "description": "The same is ordered already."}},
    )
    async def order_files(subject: _Writer, body: FilesToOrder, key: _Key) -> Response:
        """Have nodes fetch a model's files ahead of need, from nodes that have them before the internet.

        The same again for the same nodes is the order there is. 409 where another order covers some of the named
        nodes.
        """

        async def work(session: WriteSession) -> Response:
            nodes = await told_nodes(session)
            order = await _checked(session, body, nodes, scheduler, subject)
            existing = await read_file_orders(session)
            order, is_new = await place_order(session, order, existing, nodes, ids=scheduler.ids)
            was = None if is_new else AuditedFiles.of(order)
            await enter_change(session, before=was, after=AuditedFiles.of(order), action="file-order.create")
            session.after_commit(scheduler.wake_orders)
            location = {"location": f"{routes.prefix}/{order.order_id}"}
            return reply(view(order, nodes), 201 if is_new else 200, location)

        return await scheduler.idempotency.run(key, subject, work)

    @routes.get("/{order_id}")
    async def get_file_order(_subject: _Reader, order_id: str) -> FileOrderView:
        """Show one order, and how far each node is with it."""
        async with scheduler.db.read() as session:
            order = await find_file_order(session, order_id)
            return view(order, await told_nodes(session))

    @routes.post("/{order_id}:pause", status_code=202)
    async def pause_file_order(subject: _Writer, order_id: str) -> FileOrderView:
        """Stop fetching and keep what is there; replicas that need the files wait too."""
        wish = FileWish.PAUSE
        return await change(
            order_id, lambda s, o, n, at: wish_files(s, o, n, wish, actor=subject.actor, at=at, ids=scheduler.ids)
        )

    @routes.post("/{order_id}:resume", status_code=202)
    async def resume_file_order(subject: _Writer, order_id: str) -> FileOrderView:
        """Go on fetching where it stopped."""
        wish = FileWish.FETCH
        return await change(
            order_id, lambda s, o, n, at: wish_files(s, o, n, wish, actor=subject.actor, at=at, ids=scheduler.ids)
        )

    @routes.post("/{order_id}:retry", status_code=202)
    async def retry_file_order(subject: _Writer, order_id: str) -> FileOrderView:
        """Let nodes on which it failed try it again; parts that are there are not fetched again."""
        return await change(
            order_id, lambda s, o, n, at: retry_order(s, o, n, actor=subject.actor, at=at, ids=scheduler.ids)
        )

    @routes.delete("/{order_id}", status_code=202)
    async def remove_file_order(subject: _Writer, order_id: str, files: _Files = "keep") -> FileOrderView:
        """Take an order back. With `remove` each node deletes the files as soon as no replica uses them.

        It is listed until every node has done so, or is removed itself.
        """
        wish = FileWish.REMOVE if files == "remove" else FileWish.CANCEL
        return await change(
            order_id, lambda s, o, n, at: remove_files(s, o, n, wish, actor=subject.actor, at=at, ids=scheduler.ids)
        )

    return routes


async def _checked(
    session: WriteSession, body: FilesToOrder, nodes: Sequence[Node], scheduler: Scheduler, subject: Subject
) -> OrderedFiles:
    """Return the order that is asked for. Raises InvalidInput with every field at fault."""
    uploaded: ModelSource | None = None
    if body.source.kind == SourceKind.UPLOAD.value:
        uploaded = await find_upload(session, body.source.uri)
    faults = Faults()
    source = check_source(body.source.draft(), faults, address_of=lambda _: uploaded)
    selector = check_nodes(body.nodes.draft(), {node.node_id for node in nodes}, faults)
    faults.refuse()
    now = scheduler.clock.now()
    return OrderedFiles(
        order_id=scheduler.ids.new("for"),
        key=source_key(source),
        name=body.name,
        source=source,
        nodes=selector,
        actor=subject.actor,
        created_at=now,
        changed_at=now,
    )


def _id(order: OrderedFiles) -> str:
    return order.order_id

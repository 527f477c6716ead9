"""/api/v1/replicas and their logs"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from roundhouse_common.auth import Reach, Subject, reach_of
from roundhouse_common.bus.api import BusUnavailable
from roundhouse_common.contracts.node import LogChunk, LogQuery
from roundhouse_common.contracts.registry import READ_LOG
from roundhouse_common.http import Page, PageRequest, documented, page_of, page_request, requires
from roundhouse_scheduler.api.preparing import with_progress
from roundhouse_scheduler.api.replica_views import LogView, ReplicaView
from roundhouse_scheduler.api.seen import Scheduler
from roundhouse_scheduler.domain.errors import LogUnavailable
from roundhouse_scheduler.domain.records import Replica
from roundhouse_scheduler.store.pages import Owner, find_replica, list_replicas, owners_of

__all__ = ["replica_routes"]

_Reader = Annotated[Subject, Depends(requires("replicas:read", in_projects=True))]
_LogReader = Annotated[Subject, Depends(requires("logs:read", in_projects=True))]
_Page = Annotated[PageRequest, Depends(page_request)]
_Tail = Annotated[int, Query(ge=0, le=10_000, description="The last so many lines, when there is no offset.")]
_Offset = Annotated[int, Query(ge=-1, le=2**53, description="From this byte on; -1 means the last `tail` lines.")]
_Node = Annotated[
    str,
    Query(
        pattern=r"^[A-Za-z0-9_=-]*$",
        max_length=128,
        description="Where it ran before, when it has moved; empty: where it is, or ended.",
    ),
]
_AWAY: Final[dict[int | str, Any]] = {503: documented("Its node does not answer")}  # Any: as FastAPI has it
_RETRY_S = 1.0


def replica_routes(scheduler: Scheduler) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/api/v1/replicas", tags=["replicas"])

    def view(replica: Replica, owners: dict[str, Owner]) -> ReplicaView:
        load = scheduler.load_of(replica.node_id, replica.replica_id) if replica.ended_at is None else None
        return ReplicaView.of(replica, owners[replica.deployment_id], load)

    @routes.get("")
    async def get_replicas(
        subject: _Reader,
        page: _Page,
        deployment_id: str | None = None,
        node_id: str | None = None,
        ended: Annotated[bool, Query(description="Also those that ended.")] = False,
    ) -> Page[ReplicaView]:
        """List replicas in the order of their creation."""
        async with scheduler.db.read() as session:
            rows = await list_replicas(
                session,
                reach_of(subject, "replicas:read"),
                limit=page.fetch,
                after=page.after or "",
                deployment_id=deployment_id,
                node_id=node_id,
                with_ended=ended,
            )
            owners = await owners_of(session, rows)
            rows = await with_progress(scheduler, session, rows)
        return page_of(rows, page, key=_key, item=lambda row: view(row, owners))

    @routes.get("/{replica_id}")
    async def get_replica(subject: _Reader, replica_id: str) -> ReplicaView:
        """Show one replica, also an ended one."""
        async with scheduler.db.read() as session:
            replica = await find_replica(session, reach_of(subject, "replicas:read"), replica_id)
            owners = await owners_of(session, [replica])
            (replica,) = await with_progress(scheduler, session, [replica])
        return view(replica, owners)

    @routes.get("/{replica_id}/log", responses=_AWAY)
    async def get_log(
        subject: _LogReader, replica_id: str, tail: _Tail = 200, offset: _Offset = -1, node_id: _Node = ""
    ) -> LogView:
        """Read a range of a replica's log from its node, also when it has ended or failed for good: a node keeps the
        logs of the last replicas that ended there. 503 while the node does not answer."""
        async with scheduler.db.read() as session:
            replica = await find_replica(session, reach_of(subject, "logs:read"), replica_id)
        query = LogQuery(replica_id=replica_id, tail=tail, offset=offset)
        return LogView.of(await _read(scheduler, replica, query, node_id=node_id))

    @routes.get("/{replica_id}/log:follow", response_class=StreamingResponse, responses=_AWAY)
    async def follow_log(subject: _LogReader, replica_id: str, tail: _Tail = 20) -> StreamingResponse:
        """Stream the last lines of a replica's log and what is added to it, as text, until it has ended."""
        async with scheduler.db.read() as session:
            replica = await find_replica(session, reach_of(subject, "logs:read"), replica_id)
        first = await _read(scheduler, replica, LogQuery(replica_id=replica_id, tail=tail))
        lines = _follow(scheduler, reach_of(subject, "logs:read"), replica, first)
        return StreamingResponse(lines, media_type="text/plain; charset=utf-8")

    return routes


def _key(replica: Replica) -> str:
    return replica.replica_id


async def _read(scheduler: Scheduler, replica: Replica, query: LogQuery, *, node_id: str = "") -> LogChunk:
    where = node_id or replica.node_id
    if not where:
        return LogChunk(replica_id=replica.replica_id, offset=0, next_offset=0, text="", error=_no_node(replica))
    try:
        return await scheduler.bus.request(READ_LOG, query, where, timeout_s=scheduler.log_timeout_s)
    except BusUnavailable as error:
        raise LogUnavailable(replica.replica_id, where) from error


def _no_node(replica: Replica) -> str:
    """It has none yet, or it left one on which it crashed."""
    left = next((item.node_id for item in reversed(replica.refusals) if item.is_soft), "")
    if left:
        return f"it has no node now; the log of its last attempts is on {left}: ask with node_id={left}"
    if replica.ended_at is not None:
        return "it ended before it had a node, so there is no log"
    return "it has no node yet, so there is no log"


async def _follow(scheduler: Scheduler, reach: Reach, replica: Replica, chunk: LogChunk) -> AsyncIterator[str]:
    """Ask again and again from where the last answer ended: nothing is lost and nothing comes twice. On another node
    its log begins anew."""
    replica_id, node_id = replica.replica_id, replica.node_id
    while True:
        if chunk.text:
            yield chunk.text
        async with scheduler.db.read() as session:
            replica = await find_replica(session, reach, replica_id)
        if replica.ended_at is not None and not chunk.text:
            return
        await asyncio.sleep(0 if chunk.text else scheduler.follow_every_s)
        offset = chunk.next_offset
        if replica.node_id:
            offset = 0 if node_id not in ("", replica.node_id) else offset
            node_id = replica.node_id
        nothing = LogChunk(replica_id=replica_id, offset=offset, next_offset=offset, text="")
        try:
            found = await _read(scheduler, replica, LogQuery(replica_id=replica_id, offset=offset))
            chunk = nothing if found.error else found
        except LogUnavailable:
            chunk = nothing
            await asyncio.sleep(_RETRY_S)

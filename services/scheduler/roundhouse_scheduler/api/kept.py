"""/api/v1/engines, /api/v1/model-files, and what a node is asked about them"""

from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Depends, Path, Query

from roundhouse_common.auth import Subject
from roundhouse_common.bus.api import BusUnavailable, RemoteError
from roundhouse_common.contracts.node import LogQuery
from roundhouse_common.contracts.provisioning import CleanStore
from roundhouse_common.contracts.registry import CLEAN_STORE, READ_LOG
from roundhouse_common.http import Page, PageRequest, documented, page_of, page_request, requires
from roundhouse_common.http.audit import enter_change
from roundhouse_scheduler.api.kept_views import (
    CleanedView,
    EngineView,
    InstallationLogView,
    ModelFilesView,
)
from roundhouse_scheduler.api.order_bodies import Cleaning
from roundhouse_scheduler.api.seen import Scheduler
from roundhouse_scheduler.domain.errors import NodeUnavailable
from roundhouse_scheduler.domain.records import Node
from roundhouse_scheduler.store.pages import find_node
from roundhouse_scheduler.store.standing_orders import told_nodes

__all__ = ["kept_routes"]

V = TypeVar("V", EngineView, ModelFilesView)
_Reader = Annotated[Subject, Depends(requires("nodes:read"))]
_Writer = Annotated[Subject, Depends(requires("nodes:write"))]
_Page = Annotated[PageRequest, Depends(page_request)]
_OnNode = Annotated[str, Query(max_length=64, description="Only on this node.")]
_Environment = Annotated[str, Path(pattern=r"^[0-9A-Za-z][0-9A-Za-z._+-]{0,127}$")]
_Tail = Annotated[int, Query(ge=0, le=10_000, description="The last so many lines, when there is no offset.")]
_Offset = Annotated[int, Query(ge=-1, le=2**53, description="From this byte on; -1 means the last `tail` lines.")]
_AWAY: Final[dict[int | str, Any]] = {503: documented("The node does not answer")}  # Any: as FastAPI has it


def kept_routes(scheduler: Scheduler) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/api/v1")

    async def nodes(node_id: str) -> list[Node]:
        async with scheduler.db.read() as session:
            found = await told_nodes(session)
        return [node for node in found if node_id in ("", node.node_id)]

    @routes.get("/engines", tags=["engines"])
    async def get_engines(
        _subject: _Reader,
        page: _Page,
        node: _OnNode = "",
        engine: Annotated[str, Query(max_length=64, description="Only this one.")] = "",
    ) -> Page[EngineView]:
        """List the engines that nodes have or install, as they report it: installed by an order, or found there."""
        rows = [
            EngineView.of(one, item)
            for one in await nodes(node)
            if (store := scheduler.stores.get(one.node_id)) is not None
            for item in store.engines
            if engine in ("", item.engine)
        ]
        return _paged(rows, page)

    @routes.get("/model-files", tags=["model files"])
    async def get_model_files(
        _subject: _Reader,
        page: _Page,
        node: _OnNode = "",
        name: Annotated[str, Query(max_length=255, description="Only of this model.")] = "",
    ) -> Page[ModelFilesView]:
        """List the models whose files nodes have or fetch, with how far they are."""
        rows = [
            ModelFilesView.of_model(one, item, scheduler.live(one.node_id, item.key))
            for one in await nodes(node)
            if (store := scheduler.stores.get(one.node_id)) is not None
            for item in store.models
            if name in ("", item.name)
        ]
        return _paged(rows, page)

    @routes.get("/nodes/{node_id}/engines/{environment_id}/log", tags=["engines"], responses=_AWAY)
    async def get_installation_log(
        _subject: _Reader, node_id: str, environment_id: _Environment, tail: _Tail = 200, offset: _Offset = -1
    ) -> InstallationLogView:
        """Read a range of what an installation wrote, from its node. 503 while the node does not answer."""
        async with scheduler.db.read() as session:
            await find_node(session, node_id)
        query = LogQuery(replica_id=environment_id, tail=tail, offset=offset)
        try:
            chunk = await scheduler.bus.request(READ_LOG, query, node_id, timeout_s=scheduler.log_timeout_s)
        except BusUnavailable as error:
            raise NodeUnavailable(node_id, "the log that it keeps cannot be read") from error
        return InstallationLogView.of(chunk)

    @routes.post("/nodes/{node_id}/model-files:clean", tags=["model files"], responses=_AWAY)
    async def clean_model_files(_subject: _Writer, node_id: str, body: Cleaning) -> CleanedView:
        """Delete files that no replica and no order wants, or say which would go. 503 while the node is away."""
        async with scheduler.db.read() as session:
            node = await find_node(session, node_id)
        question = CleanStore(unused_for_s=body.unused_for_s, keys=tuple(body.keys), is_dry_run=body.is_dry_run)
        try:
            answer = await scheduler.bus.request(CLEAN_STORE, question, node_id, timeout_s=scheduler.clean_timeout_s)
        except BusUnavailable as error:
            raise NodeUnavailable(node_id, "its files cannot be cleaned up") from error
        except RemoteError as error:
            return CleanedView(models=[], freed_bytes=0, error=error.message)
        cleaned = CleanedView.of(answer)
        if not body.is_dry_run:
            detail = f"{len(cleaned.models)} models deleted, {cleaned.freed_bytes} bytes freed"
            async with scheduler.db.write() as session:
                await enter_change(session, detail=detail, object_id=node_id, object_name=node.inventory.hostname)
        return cleaned

    return routes


def _paged(rows: list[V], page: PageRequest) -> Page[V]:
    """Nodes report all at once: the page is cut here."""
    later = [row for row in rows if page.after is None or row.page_key > page.after]
    found = sorted(later, key=lambda row: row.page_key)[: page.fetch]
    return page_of(found, page, key=lambda row: row.page_key, item=lambda row: row)

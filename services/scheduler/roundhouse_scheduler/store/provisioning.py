"""Orders for engines and model files, and the revisions of what nodes were told of them.

Every write of an order counts `orders` up: a scheduler that leads sees by it that another one took an order.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import Row, Select, Table, delete, insert, select, update

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.database import ReadSession, WriteSession, upsert
from roundhouse_common.model_sources import shown_uri
from roundhouse_scheduler.domain.errors import StaleView, UnknownEngineOrder, UnknownFileOrder
from roundhouse_scheduler.domain.provisioning.orders import OrderedEngine, OrderedFiles
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.rows import chunks

__all__ = [
    "Told",
    "add_order",
    "change_order",
    "drop_order",
    "find_engine_order",
    "find_file_order",
    "find_upload",
    "list_engine_orders",
    "list_file_orders",
    "orders_written",
    "read_engine_orders",
    "read_file_orders",
    "read_told",
    "write_told",
]

_COUNTER: Final = "orders"
_ENGINES, _FILES, _TOLD = tables.engine_orders, tables.file_orders, tables.order_documents
Order = OrderedEngine | OrderedFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a node was told last."""

    revision: int
    digest: str


async def orders_written(session: ReadSession) -> int:
    """Return how often orders were written."""
    return await session.scalar(select(tables.counters.c.value).where(tables.counters.c.name == _COUNTER)) or 0


async def read_engine_orders(session: ReadSession) -> list[OrderedEngine]:
    """Return all, the oldest first."""
    return [_engine(row) for row in await session.execute(select(_ENGINES).order_by(_ENGINES.c.order_id))]


async def read_file_orders(session: ReadSession) -> list[OrderedFiles]:
    """Return all, the oldest first."""
    return [_files(row) for row in await session.execute(select(_FILES).order_by(_FILES.c.order_id))]


async def list_engine_orders(session: ReadSession, *, limit: int, after: str) -> list[OrderedEngine]:
    """Return a page in the order of their creation."""
    return [_engine(row) for row in await session.execute(_page(_ENGINES, limit=limit, after=after))]


async def list_file_orders(session: ReadSession, *, limit: int, after: str) -> list[OrderedFiles]:
    """Return a page in the order of their creation."""
    return [_files(row) for row in await session.execute(_page(_FILES, limit=limit, after=after))]


async def find_engine_order(session: ReadSession, order_id: str) -> OrderedEngine:
    """Return one order. Raises UnknownEngineOrder."""
    row = (await session.execute(select(_ENGINES).where(_ENGINES.c.order_id == order_id))).first()
    if row is None:
        raise UnknownEngineOrder(order_id)
    return _engine(row)


async def find_file_order(session: ReadSession, order_id: str) -> OrderedFiles:
    """Return one order. Raises UnknownFileOrder."""
    row = (await session.execute(select(_FILES).where(_FILES.c.order_id == order_id))).first()
    if row is None:
        raise UnknownFileOrder(order_id)
    return _files(row)


async def add_order(session: WriteSession, order: Order) -> None:
    await session.execute(insert(_table_of(order)).values(msgspec.structs.asdict(order)))
    await _count(session)


async def change_order(session: WriteSession, order: Order) -> None:
    """Write an order over the version that it was read with. Raises StaleView when it has moved on."""
    table = _table_of(order)
    mine = (table.c.order_id == order.order_id) & (table.c.row_version == order.row_version)
    values = msgspec.structs.asdict(order) | {"row_version": order.row_version + 1}
    if (await session.execute(update(table).where(mine).values(values))).rowcount != 1:
        raise StaleView(f"{table.name} {order.order_id}")
    await _count(session)


async def drop_order(session: WriteSession, order: Order) -> None:
    """Forget an order that is carried out. Raises StaleView when it has moved on."""
    table = _table_of(order)
    mine = (table.c.order_id == order.order_id) & (table.c.row_version == order.row_version)
    if (await session.execute(delete(table).where(mine))).rowcount != 1:
        raise StaleView(f"{table.name} {order.order_id}")
    await _count(session)


async def read_told(session: ReadSession, node_ids: Sequence[str] | None = None) -> dict[str, Told]:
    """Return what these nodes, by default all, were told last."""
    if node_ids is None:
        return {row.node_id: _told(row) for row in await session.execute(select(_TOLD))}
    found: dict[str, Told] = {}
    for ids in chunks(node_ids):
        rows = await session.execute(select(_TOLD).where(_TOLD.c.node_id.in_(ids)))
        found |= {row.node_id: _told(row) for row in rows}
    return found


async def write_told(session: WriteSession, told: Mapping[str, Told]) -> None:
    """Keep what nodes are told from now on."""
    if told:
        await session.execute(
            upsert(session.dialect, _TOLD, key=["node_id"], update=["revision", "digest"]),
            [{"node_id": key, "revision": item.revision, "digest": item.digest} for key, item in sorted(told.items())],
        )


async def find_upload(session: ReadSession, upload_id: str) -> ModelSource | None:
    """Return the address of an upload to the catalog, with the secret to read it, if some version was made of it."""
    rows = await session.execute(select(tables.versions.c.spec))
    sources: Iterable[ModelSource] = (row.spec.source for row in rows)
    uploads = (source for source in sources if source.kind is SourceKind.UPLOAD)
    return next((source for source in uploads if shown_uri(source) == upload_id), None)


async def _count(session: WriteSession) -> None:
    counted = upsert(session.dialect, tables.counters, key=["name"]).values(name=_COUNTER, value=0)
    await session.execute(counted)
    raised = update(tables.counters).where(tables.counters.c.name == _COUNTER)
    await session.execute(raised.values(value=tables.counters.c.value + 1))


def _table_of(order: Order) -> Table:
    return _ENGINES if isinstance(order, OrderedEngine) else _FILES


def _page(table: Table, *, limit: int, after: str) -> Select[Any]:  # Any: the columns of either table
    return select(table).where(table.c.order_id > after).order_by(table.c.order_id).limit(limit)


# Row[Any]: the columns are the record's fields, which the constructor checks.
def _engine(row: Row[Any]) -> OrderedEngine:
    return OrderedEngine(**row._mapping)


def _files(row: Row[Any]) -> OrderedFiles:
    return OrderedFiles(**row._mapping)


def _told(row: Row[Any]) -> Told:
    return Told(revision=row.revision, digest=row.digest)

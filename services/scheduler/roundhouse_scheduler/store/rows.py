"""Records to rows and back, and the guarded update."""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, Select, Table, Update, bindparam, insert, select, update

from roundhouse_common.database import WriteSession
from roundhouse_scheduler.domain.errors import StaleView
from roundhouse_scheduler.domain.records import Deployment, Node, Replica
from roundhouse_scheduler.domain.switching.switch import Switch
from roundhouse_scheduler.store.revision import next_revision

__all__ = ["add", "add_all", "chunks", "deployment_from", "node_from", "replace", "replace_all", "replica_from"]

Record = Node | Deployment | Replica | Switch
_AT_ONCE = 500
"""Ids in one condition: SQLite takes no more than some thousand parameters."""


# Row[Any]: the columns are the record's fields, which the constructor checks.
def node_from(row: Row[Any]) -> Node:
    """Return the node of a row of `nodes`."""
    return Node(**_fields(row))


def deployment_from(row: Row[Any]) -> Deployment:
    """Return the deployment of a row of `deployments`."""
    return Deployment(**_fields(row))


def replica_from(row: Row[Any]) -> Replica:
    """Return the replica of a row of `replicas`."""
    return Replica(**_fields(row))


async def add(session: WriteSession, table: Table, record: Record) -> None:
    """Insert a record that is not there yet."""
    await add_all(session, table, [record], revision=await next_revision(session))


async def add_all(session: WriteSession, table: Table, records: Sequence[Record], *, revision: int) -> None:
    """Insert records that are not there yet."""
    if records:
        stamp = _stamp(table, revision)
        await session.execute(insert(table), [msgspec.structs.asdict(item) | stamp for item in records])


async def replace(session: WriteSession, table: Table, record: Record) -> None:
    """Write a record over the version it was read with. Raises StaleView when the row has moved on since."""
    await replace_all(session, table, [record], revision=await next_revision(session))


async def replace_all(
    session: WriteSession, table: Table, records: Sequence[Record], *, revision: int, but_for: Sequence[str] = ()
) -> None:
    """Write records over the versions they were read with; columns in `but_for` stay as they are. Raises StaleView
    when one has moved on. Writes run one after the other, so what was compared stays true until the commit."""
    if not records:
        return
    (key,) = table.primary_key.columns
    read_with = {getattr(item, key.name): item.row_version for item in records}
    for ids in chunks(list(read_with)):
        found = await session.execute(_versions_in(table), {"ids": ids})
        versions = {row[0]: row[1] for row in found}
        for identity in ids:
            if versions.get(identity) != read_with[identity]:
                raise StaleView(f"{table.name} {identity}")
    written = tuple(name for name in records[0].__struct_fields__ if name not in (key.name, *but_for))
    stamp = _stamp(table, revision)
    await session.execute(
        _update_of(table, (*written, *stamp)),
        [
            {"of": getattr(item, key.name), **{f"to_{name}": getattr(item, name) for name in written}}
            | {"to_row_version": item.row_version + 1}
            | {f"to_{name}": value for name, value in stamp.items()}
            for item in records
        ],
    )


@functools.cache  # making a statement of so many columns takes longer than running it
def _update_of(table: Table, written: tuple[str, ...]) -> Update:
    (key,) = table.primary_key.columns
    return update(table).where(key == bindparam("of")).values({name: bindparam(f"to_{name}") for name in written})


# Any: the columns of a table.
@functools.cache
def _versions_in(table: Table) -> Select[*tuple[Any, ...]]:
    (key,) = table.primary_key.columns
    return select(key, table.c.row_version).where(key.in_(bindparam("ids", expanding=True)))


def chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield as many ids as fit into one condition."""
    for first in range(0, len(ids), _AT_ONCE):
        yield ids[first : first + _AT_ONCE]


def _stamp(table: Table, revision: int) -> dict[str, int]:
    return {"revision": revision} if "revision" in table.c else {}


def _fields(row: Row[Any]) -> dict[str, Any]:
    values = dict(row._mapping)
    values.pop("revision", None)
    return values

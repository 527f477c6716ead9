"""Records to rows and back, and the guarded update."""

from typing import Any

import msgspec
from sqlalchemy import Row, Table, insert, update

from roundhouse_common.database import WriteSession
from roundhouse_scheduler.domain.errors import StaleView
from roundhouse_scheduler.domain.records import Deployment, Node, Replica
from roundhouse_scheduler.domain.switching.switch import Switch

__all__ = ["add", "deployment_from", "node_from", "replace", "replica_from"]

Record = Node | Deployment | Replica | Switch


# Row[Any]: the columns are the record's fields, which the constructor checks.
def node_from(row: Row[Any]) -> Node:
    """Return the node of a row of `nodes`."""
    return Node(**row._mapping)


def deployment_from(row: Row[Any]) -> Deployment:
    """Return the deployment of a row of `deployments`."""
    return Deployment(**row._mapping)


def replica_from(row: Row[Any]) -> Replica:
    """Return the replica of a row of `replicas`."""
    return Replica(**row._mapping)


async def add(session: WriteSession, table: Table, record: Record) -> None:
    """Insert a record that is not there yet."""
    await session.execute(insert(table).values(msgspec.structs.asdict(record)))


async def replace(session: WriteSession, table: Table, record: Record) -> None:
    """Write a record over the version it was read with. Raises StaleView when the row has moved on since."""
    (key,) = table.primary_key.columns
    values = msgspec.structs.asdict(record)
    identity = values.pop(key.name)
    version = values.pop("row_version")
    guarded = update(table).where(key == identity, table.c.row_version == version)
    result = await session.execute(guarded.values(**values, row_version=version + 1))
    if result.rowcount != 1:
        raise StaleView(f"{table.name} {identity}")

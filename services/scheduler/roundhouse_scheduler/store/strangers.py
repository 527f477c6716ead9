"""Replicas that nodes speak of: which of them the record has ever heard of."""

from collections.abc import Collection, Sequence

from sqlalchemy import select

from roundhouse_common.contracts.catalog import VersionSpec
from roundhouse_common.database import ReadSession
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.rows import chunks

__all__ = ["known_of", "orphans_on", "unknown_of", "versions_by_id"]


async def known_of(session: ReadSession, replica_ids: Collection[str]) -> set[str]:
    """Return those that are in the record, ended or not."""
    column = tables.replicas.c.replica_id
    known: set[str] = set()
    for ids in chunks(sorted(replica_ids)):
        known |= set(await session.scalars(select(column).where(column.in_(ids))))
    return known


async def unknown_of(session: ReadSession, replica_ids: Collection[str]) -> set[str]:
    """Return those that are not in the record."""
    return set(replica_ids) - await known_of(session, replica_ids)


async def orphans_on(session: ReadSession, node_id: str) -> Sequence[str]:
    """Return the replicas on a node that were judged to be nobody's."""
    return await session.scalar(select(tables.nodes.c.orphans).where(tables.nodes.c.node_id == node_id)) or ()


async def versions_by_id(session: ReadSession, version_ids: Sequence[str]) -> dict[str, VersionSpec]:
    """Return the versions that the record has of these."""
    table = tables.versions
    found: dict[str, VersionSpec] = {}
    for ids in chunks(version_ids):
        query = select(table.c.version_id, table.c.spec).where(table.c.version_id.in_(ids))
        found |= {row.version_id: row.spec for row in await session.execute(query)}
    return found

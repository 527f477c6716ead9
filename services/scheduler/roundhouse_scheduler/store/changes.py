"""Read what changed in the record since a revision: how its copy in memory is kept up."""

import functools
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import CursorResult, Select, Table, bindparam, select

from roundhouse_common.contracts.catalog import VersionSpec
from roundhouse_common.database import ReadSession
from roundhouse_scheduler.domain.records import Deployment, Node, Replica
from roundhouse_scheduler.domain.switching.switch import Switch
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.revision import current_revision
from roundhouse_scheduler.store.rows import deployment_from, node_from, replica_from
from roundhouse_scheduler.store.strangers import versions_by_id
from roundhouse_scheduler.store.switches import open_switches

__all__ = ["Changes", "read_changes"]


_REMOVED = select(tables.removals.c.key).where(
    tables.removals.c.kind == bindparam("of_kind"), tables.removals.c.revision > bindparam("since")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Rows as they are now. With `is_whole` they are all there are, else those written since."""

    revision: int
    is_whole: bool = False
    nodes: Sequence[Node] = ()
    deployments: Sequence[Deployment] = ()
    replicas: Sequence[Replica] = ()
    """Without the ended ones when `is_whole`."""
    versions: Mapping[str, VersionSpec] = field(default_factory=dict)
    """Those of them that were not known before."""
    switches: Mapping[str, Switch] = field(default_factory=dict)
    """All that have not ended."""
    gone_nodes: Sequence[str] = ()
    gone_deployments: Sequence[str] = ()


async def read_changes(session: ReadSession, since: int | None, *, known_versions: Container[str]) -> Changes | None:
    """Return what was written after `since`, None when nothing was, and everything when `since` is None or ahead of
    the record: then the database is another one, or was restored from an older copy."""
    revision = await current_revision(session)
    if since is not None and since == revision:
        return None
    if since is None or since > revision:
        since = None
    nodes = [node_from(row) for row in await _newer(session, tables.nodes, since)]
    deployments = [deployment_from(row) for row in await _newer(session, tables.deployments, since)]
    rows = [replica_from(row) for row in await _newer(session, tables.replicas, since)]
    needed = {item.version_id for item in rows if item.ended_at is None} | {item.version_id for item in deployments}
    lacking = sorted(key for key in needed if since is None or key not in known_versions)
    return Changes(
        revision=revision,
        is_whole=since is None,
        nodes=nodes,
        deployments=deployments,
        replicas=rows,
        versions=await versions_by_id(session, lacking),
        switches=await open_switches(session),
        gone_nodes=await _gone(session, tables.nodes, since),
        gone_deployments=await _gone(session, tables.deployments, since),
    )


# Any: the columns of a table.
async def _newer(session: ReadSession, table: Table, since: int | None) -> CursorResult[*tuple[Any, ...]]:
    if since is not None:
        return await session.execute(_written_after(table), {"since": since})
    whole = select(table)
    return await session.execute(whole.where(table.c.ended_at.is_(None)) if table is tables.replicas else whole)


@functools.cache  # making a statement takes longer than running it, and this is done at every look
def _written_after(table: Table) -> Select[*tuple[Any, ...]]:
    return select(table).where(table.c.revision > bindparam("since"))


async def _gone(session: ReadSession, table: Table, since: int | None) -> Sequence[str]:
    if since is None:
        return ()
    return list(await session.scalars(_REMOVED, {"of_kind": table.name, "since": since}))

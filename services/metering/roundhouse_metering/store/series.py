"""Curves are numbered: rows carry the number, and this table says what each is of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from roundhouse_common.database import ReadSession, WriteSession, upsert
from roundhouse_metering.domain.samples import SeriesKey
from roundhouse_metering.store.tables import series

__all__ = ["Series", "note_series", "series_ids", "series_of_deployment", "series_of_node", "series_of_replica"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One curve."""

    series_id: int
    node_id: str
    replica_id: str
    device_uuid: str
    deployment_id: str


_COLUMNS = (
    series.c.series_id,
    series.c.node_id,
    series.c.replica_id,
    series.c.device_uuid,
    series.c.deployment_id,
)


async def note_series(session: WriteSession, found: Mapping[SeriesKey, str], *, seen_at: int) -> dict[SeriesKey, int]:
    """Make the series that are not there, note that all were seen, and return their numbers.

    `found` gives the deployment of each; empty for a node's own.
    """
    rows = [
        {
            "node_id": key.node_id,
            "replica_id": key.replica_id,
            "device_uuid": key.device_uuid,
            "deployment_id": deployment_id,
            "seen_at": seen_at,
        }
        for key, deployment_id in found.items()
    ]
    if not rows:
        return {}
    statement = upsert(
        session.dialect, series, key=["node_id", "replica_id", "device_uuid"], update=["seen_at"]
    ).returning(series.c.series_id, series.c.node_id, series.c.replica_id, series.c.device_uuid)
    return {SeriesKey(row[1], row[2], row[3]): row[0] for row in await session.execute(statement, rows)}


async def series_of_node(session: ReadSession, node_id: str) -> list[Series]:
    """Return the node's own curve and those of its devices."""
    return await _select(session, series.c.node_id == node_id, series.c.replica_id == "")


async def series_of_replica(session: ReadSession, replica_id: str) -> list[Series]:
    """Return the replica's curves, of each node that it ran on."""
    return await _select(session, series.c.replica_id == replica_id)


async def series_of_deployment(
    session: ReadSession, deployment_id: str, *, seen_since: float, limit: int
) -> list[Series]:
    """Return the curves of all its replicas that ran at that time or later."""
    return await _select(
        session, series.c.deployment_id == deployment_id, series.c.seen_at >= int(seen_since), limit=limit
    )


async def series_ids(
    session: ReadSession, *, after: int, limit: int, seen_since: int | None = None, seen_until: int | None = None
) -> Sequence[int]:
    """Return the next series by number."""
    statement = select(series.c.series_id).where(series.c.series_id > after)
    if seen_since is not None:
        statement = statement.where(series.c.seen_at >= seen_since)
    if seen_until is not None:
        statement = statement.where(series.c.seen_at < seen_until)
    return list(await session.scalars(statement.order_by(series.c.series_id).limit(limit)))


# Any: conditions.
async def _select(session: ReadSession, *conditions: object, limit: int | None = None) -> list[Series]:
    statement = select(*_COLUMNS).where(*conditions).order_by(series.c.series_id).limit(limit)  # type: ignore[arg-type]
    return [Series(**row._mapping) for row in await session.execute(statement)]

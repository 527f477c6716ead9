"""Rolling samples up into coarser ones, and forgetting what is old."""

from collections.abc import Sequence

from sqlalchemy import Integer, delete, func, insert, literal, select, update

from roundhouse_common.database import ReadSession, WriteSession, upsert
from roundhouse_metering.store.samples import KEY, averages, bucket_start
from roundhouse_metering.store.tables import compute_samples, device_samples, rollups, series

__all__ = ["advance", "forget_samples", "forget_series", "roll_up", "rolled_up_until"]

_TABLES = (compute_samples, device_samples)


async def rolled_up_until(session: ReadSession) -> dict[int, int]:
    """Return up to when each resolution is complete."""
    found = await session.execute(select(rollups.c.resolution_s, rollups.c.until_at))
    return {row.resolution_s: row.until_at for row in found}


async def advance(session: WriteSession, resolution_s: int, until: int) -> None:
    """Note that a resolution is complete up to `until`; it never goes back."""
    known = await session.scalar(select(rollups.c.until_at).where(rollups.c.resolution_s == resolution_s))
    if known is None:
        await session.execute(insert(rollups), {"resolution_s": resolution_s, "until_at": until})
    elif known < until:
        await session.execute(update(rollups).where(rollups.c.resolution_s == resolution_s).values(until_at=until))


async def roll_up(
    session: WriteSession, ids: Sequence[int], *, finer_s: int, coarser_s: int, since: int, until: int
) -> None:
    """Make the coarser samples of some series from the finer ones. Both times are multiples of `coarser_s`.

    Safe to repeat: a bucket is made again from all that is in it.
    """
    for table in _TABLES:
        at = bucket_start(table.c.at, coarser_s).label("bucket_at")
        figures = averages(table.c)
        resolution = literal(coarser_s, Integer).label("coarser_s")
        samples = func.sum(table.c.samples).label("samples")
        made = (
            select(table.c.series_id, resolution, at, samples, *figures.values())
            .where(
                table.c.series_id.in_(ids),
                table.c.resolution_s == finer_s,
                table.c.at >= since,
                table.c.at < until,
            )
            .group_by(table.c.series_id, at)
        )
        names = [*KEY, "samples", *figures]
        put = upsert(session.dialect, table, key=KEY, update=["samples", *figures])
        await session.execute(put.from_select(names, made))


async def forget_samples(session: WriteSession, ids: Sequence[int], *, resolution_s: int, before: int) -> int:
    """Delete older samples of some series; return how many there were."""
    deleted = 0
    for table in _TABLES:
        old = (table.c.series_id.in_(ids), table.c.resolution_s == resolution_s, table.c.at < before)
        deleted += (await session.execute(delete(table).where(*old))).rowcount
    return deleted


async def forget_series(session: WriteSession, ids: Sequence[int]) -> None:
    """Delete series with whatever is left of their samples."""
    for table in _TABLES:
        await session.execute(delete(table).where(table.c.series_id.in_(ids)))
    await session.execute(delete(series).where(series.c.series_id.in_(ids)))

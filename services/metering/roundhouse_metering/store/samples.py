"""Samples: written once, read as curves."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Double, Integer, Table, and_, case, cast, func, literal_column, select, union_all

from roundhouse_common.database import ReadSession, WriteSession, upsert
from roundhouse_metering.domain.resolutions import RAW, CurveQuery, Source
from roundhouse_metering.domain.samples import ComputeRow, DeviceRow, SeriesKey
from roundhouse_metering.store.tables import compute_samples, device_samples

__all__ = [
    "KEY",
    "ComputePoint",
    "DevicePoint",
    "averages",
    "bucket_start",
    "compute_curves",
    "device_curves",
    "put_samples",
]

KEY = ("series_id", "resolution_s", "at")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputePoint:
    """Averages over one step, and the highest of each sample in it."""

    at: int
    cpu_user: float
    cpu_system: float
    cpu_max: float
    cpu_cores: float
    memory_used_bytes: float
    memory_max_bytes: float
    memory_total_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePoint:
    """Averages over one step, and the highest of each sample in it. None where the device did not tell."""

    at: int
    utilization: float | None
    utilization_max: float | None
    memory_used_bytes: float | None
    memory_max_bytes: float | None
    memory_total_bytes: float | None
    temperature_c: float | None
    temperature_max_c: float | None
    power_w: float | None
    power_max_w: float | None


async def put_samples(
    session: WriteSession,
    compute: Iterable[ComputeRow],
    devices: Iterable[DeviceRow],
    ids: Mapping[SeriesKey, int],
) -> None:
    """Write samples as they came. One that is there already stays as it is."""
    rows = [_compute_values(row, ids[row.key]) for row in compute]
    if rows:
        await session.execute(upsert(session.dialect, compute_samples, key=KEY), rows)
    rows = [_device_values(row, ids[row.key]) for row in devices]
    if rows:
        await session.execute(upsert(session.dialect, device_samples, key=KEY), rows)


async def compute_curves(
    session: ReadSession, ids: Sequence[int], query: CurveQuery, answering: Sequence[Source]
) -> dict[int, list[ComputePoint]]:
    """Return the points of each series in the order of time; where there is no sample there is no point."""
    found: dict[int, list[ComputePoint]] = {}
    for row in await _points(session, compute_samples, ids, query, answering):
        found.setdefault(row["series_id"], []).append(ComputePoint(**{name: row[name] for name in _COMPUTE_FIELDS}))
    return found


async def device_curves(
    session: ReadSession, ids: Sequence[int], query: CurveQuery, answering: Sequence[Source]
) -> dict[int, list[DevicePoint]]:
    """Return the points of each series in the order of time; where there is no sample there is no point."""
    found: dict[int, list[DevicePoint]] = {}
    for row in await _points(session, device_samples, ids, query, answering):
        found.setdefault(row["series_id"], []).append(DevicePoint(**{name: row[name] for name in _DEVICE_FIELDS}))
    return found


# Any: the columns of a table built at run time.
def averages(columns: Any) -> dict[str, ColumnElement[Any]]:
    """Return what one wider bucket holds of several rows: highest of the `_max` ones, averages of the others, each
    weighted by the samples in it, of those that told."""
    found: dict[str, ColumnElement[Any]] = {}
    for column in columns:
        name = column.name
        if name in (*KEY, "samples"):
            continue
        if "_max" in name:
            found[name] = func.max(column).label(name)
            continue
        told = func.sum(case((column.is_not(None), columns.samples)))
        found[name] = (func.sum(column * columns.samples) / cast(told, Double)).label(name)
    return found


def bucket_start(at: ColumnElement[int], width_s: int) -> ColumnElement[int]:
    """Return where the bucket of a time begins. The width is a literal: as a bound value the expression would not be
    the same one in SELECT and GROUP BY."""
    width: ColumnElement[int] = literal_column(str(width_s), Integer)
    return at // width * width


async def _points(
    session: ReadSession, table: Table, ids: Sequence[int], query: CurveQuery, answering: Sequence[Source]
) -> Sequence[Mapping[str, Any]]:
    if not ids or not answering:
        return []
    parts = [select(table).where(and_(*_range(table, ids, source))) for source in answering]
    rows = union_all(*parts).subquery("samples_found")
    at = bucket_start(rows.c.at, query.step_s).label("bucket_at")
    statement = (
        select(rows.c.series_id, at, *averages(rows.c).values())
        .group_by(rows.c.series_id, literal_column("bucket_at"))
        .order_by(rows.c.series_id, literal_column("bucket_at"))
    )
    return [{**row._mapping, "at": int(row._mapping["bucket_at"])} for row in await session.execute(statement)]


def _range(table: Table, ids: Sequence[int], source: Source) -> list[ColumnElement[bool]]:
    return [
        table.c.series_id.in_(ids),
        table.c.resolution_s == source.resolution_s,
        table.c.at >= source.since,
        table.c.at < source.until,
    ]


def _compute_values(row: ComputeRow, series_id: int) -> dict[str, object]:
    return {
        "series_id": series_id,
        "resolution_s": RAW,
        "at": row.at,
        "samples": 1,
        "cpu_user": row.cpu_user,
        "cpu_system": row.cpu_system,
        "cpu_max": row.cpu_user + row.cpu_system,
        "cpu_cores": float(row.cpu_cores),
        "memory_used_bytes": float(row.memory_used_bytes),
        "memory_max_bytes": float(row.memory_used_bytes),
        "memory_total_bytes": float(row.memory_total_bytes),
    }


def _device_values(row: DeviceRow, series_id: int) -> dict[str, object]:
    return {
        "series_id": series_id,
        "resolution_s": RAW,
        "at": row.at,
        "samples": 1,
        "utilization": row.utilization,
        "utilization_max": row.utilization,
        "memory_used_bytes": _float(row.memory_used_bytes),
        "memory_max_bytes": _float(row.memory_used_bytes),
        "memory_total_bytes": _float(row.memory_total_bytes),
        "temperature_c": row.temperature_c,
        "temperature_max_c": row.temperature_c,
        "power_w": row.power_w,
        "power_max_w": row.power_w,
    }


def _float(value: int | None) -> float | None:
    return None if value is None else float(value)


_COMPUTE_FIELDS = tuple(ComputePoint.__dataclass_fields__)
_DEVICE_FIELDS = tuple(DevicePoint.__dataclass_fields__)

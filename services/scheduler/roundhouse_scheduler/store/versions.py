"""Versions: what the catalog said of them, and the first error of their present series of failures."""

from dataclasses import dataclass

import msgspec
from sqlalchemy import select, update

from roundhouse_common.contracts.catalog import VersionSpec
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_scheduler.domain.records import VersionFailure
from roundhouse_scheduler.store import tables

__all__ = ["VersionRow", "forget_failure", "note_failure", "versions_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """One version that the scheduler has seen."""

    version_id: str
    deployment_id: str
    spec: VersionSpec
    failure: VersionFailure | None


async def versions_of(session: ReadSession, deployment_ids: list[str]) -> list[VersionRow]:
    """Return all versions of some deployments, by number."""
    rows = await session.execute(select(tables.versions).where(tables.versions.c.deployment_id.in_(deployment_ids)))
    found = [VersionRow(**row._mapping) for row in rows]
    return sorted(found, key=lambda row: (row.deployment_id, row.spec.number))


async def note_failure(session: WriteSession, version_id: str, failure: VersionFailure) -> VersionFailure:
    """Keep the first error of a series. A fatal one keeps what is known of the error that led to it; return the sum."""
    if failure.is_fatal:
        table = tables.versions
        known = await session.scalar(select(table.c.failure).where(table.c.version_id == version_id))
        if known is not None:
            failure = msgspec.structs.replace(known, is_fatal=True, detail=failure.detail)
    await session.execute(
        update(tables.versions).where(tables.versions.c.version_id == version_id).values(failure=failure)
    )
    return failure


async def forget_failure(session: WriteSession, version_id: str) -> None:
    """The version is started anew: nothing is held against it."""
    await session.execute(
        update(tables.versions).where(tables.versions.c.version_id == version_id).values(failure=None)
    )

"""Versions: what the catalog said of them, and the first error of their present series of failures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import select, update

from roundhouse_common.contracts.catalog import VersionSpec
from roundhouse_common.contracts.registry import VERSION_FAILED
from roundhouse_common.contracts.scheduler import VersionFailed
from roundhouse_common.database import ReadSession, WriteSession, enqueue
from roundhouse_common.runtime import Ids
from roundhouse_scheduler.domain.plan import Action, FailureForgotten, FailureSeen, VersionGivenUp
from roundhouse_scheduler.domain.records import VersionFailure
from roundhouse_scheduler.store import tables

__all__ = ["VersionRow", "failures_of", "forget_failures", "versions_of", "write_failures"]


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


async def failures_of(session: ReadSession, version_ids: Sequence[str]) -> dict[str, VersionFailure]:
    """Return the first errors of those of these versions that had any."""
    table = tables.versions
    query = select(table.c.version_id, table.c.failure).where(table.c.version_id.in_(version_ids))
    return {row.version_id: row.failure for row in await session.execute(query) if row.failure is not None}


async def write_failures(session: WriteSession, actions: Iterable[Action], *, at: float, ids: Ids) -> None:
    """Keep what a plan says of the failures of versions, and tell the catalog of a version that was given up."""
    for action in actions:
        match action:
            case FailureSeen():
                await _keep(session, action.version_id, action.failure)
            case FailureForgotten():
                await forget_failures(session, [action.version_id])
            case VersionGivenUp():
                await _announce(session, action, at=at, event_id=ids.new("evt"))
            case _:
                continue


async def forget_failures(session: WriteSession, version_ids: Sequence[str]) -> None:
    """These versions are started anew: nothing is held against them."""
    table = tables.versions
    await session.execute(update(table).where(table.c.version_id.in_(version_ids)).values(failure=None))


async def _keep(session: WriteSession, version_id: str, failure: VersionFailure) -> None:
    table = tables.versions
    await session.execute(update(table).where(table.c.version_id == version_id).values(failure=failure))


async def _announce(session: WriteSession, action: VersionGivenUp, *, at: float, event_id: str) -> None:
    """The first error of its engines, if they had any, says more than the last: it is kept and told along."""
    table = tables.versions
    known = await session.scalar(select(table.c.failure).where(table.c.version_id == action.version_id))
    if known is None:
        known = VersionFailure(
            at=at,
            replica_id=action.replica_id,
            node_id=action.node_id,
            reason=action.reason,
            detail=action.detail,
            log_tail=action.log_tail,
        )
    failure = msgspec.structs.replace(known, is_fatal=True, detail=action.detail)
    await _keep(session, action.version_id, failure)
    message = VersionFailed(
        event_id=event_id,
        at=at,
        deployment_id=action.deployment_id,
        generation=action.generation,
        version_id=action.version_id,
        version_number=action.version_number,
        reason=failure.reason,
        detail=failure.detail,
        log_tail=action.log_tail or failure.log_tail,
        serving_number=action.serving_number,
    )
    await enqueue(session, VERSION_FAILED, message, action.deployment_id, event_id=event_id)

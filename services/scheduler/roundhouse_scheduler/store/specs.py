"""Take the catalog's specs into the scheduler's own record."""

from collections.abc import Iterable

import msgspec
from sqlalchemy import case, select, update

from roundhouse_common.contracts.catalog import DeploymentDesired, DeploymentSpec
from roundhouse_common.database import WriteSession, upsert
from roundhouse_scheduler.domain.records import Deployment
from roundhouse_scheduler.domain.revisions import next_document_revision
from roundhouse_scheduler.domain.rollout.start import started_rollout
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.revision import next_revision
from roundhouse_scheduler.store.rows import add_all, chunks, deployment_from, replace_all
from roundhouse_scheduler.store.versions import forget_failures

__all__ = ["take_specs"]


async def take_specs(session: WriteSession, specs: Iterable[DeploymentSpec], *, at: float) -> list[str]:
    """Record the specs that are newer than what is known, and return their deployments.

    A lower or equal generation changes nothing, and neither does a spec that is not there any more: only a spec that
    says "delete" deletes.
    """
    offered = {spec.deployment_id: spec for spec in specs}
    known = await _known(session, sorted(offered))
    news = [
        spec
        for key, spec in sorted(offered.items())
        if (before := known.get(key)) is None or spec.generation > before.generation
    ]
    if not news:
        return []
    await session.execute(
        upsert(session.dialect, tables.versions, key=["version_id"]),
        [{"version_id": i.version.version_id, "deployment_id": i.deployment_id, "spec": i.version} for i in news],
    )
    revision = await next_revision(session)
    after = {spec.deployment_id: _deployment(spec, known.get(spec.deployment_id), at) for spec in news}
    table = tables.deployments
    await add_all(session, table, [row for key, row in after.items() if key not in known], revision=revision)
    await replace_all(session, table, [row for key, row in after.items() if key in known], revision=revision)
    await forget_failures(session, [row.version_id for key, row in after.items() if _starts_anew(row, known.get(key))])
    for deployment_id, row in after.items():
        if deployment_id in known and known[deployment_id].drain_timeout_s != row.drain_timeout_s:
            await _tell_nodes(session, deployment_id, revision, at=at)
    return list(after)


async def _known(session: WriteSession, deployment_ids: list[str]) -> dict[str, Deployment]:
    found: dict[str, Deployment] = {}
    for ids in chunks(deployment_ids):
        rows = await session.execute(select(tables.deployments).where(tables.deployments.c.deployment_id.in_(ids)))
        found |= {row.deployment_id: deployment_from(row) for row in rows}
    return found


def _deployment(spec: DeploymentSpec, before: Deployment | None, at: float) -> Deployment:
    after = Deployment(
        deployment_id=spec.deployment_id,
        name=spec.name,
        tenant_id=spec.tenant_id,
        generation=spec.generation,
        desired=spec.desired,
        replicas=spec.replicas,
        version_id=spec.version.version_id,
        version_number=spec.version.number,
        model_name=spec.version.model_name,
        model_kind=spec.version.model_kind,
        disconnect_grace_s=spec.disconnect_grace_s,
        drain_timeout_s=spec.drain_timeout_s,
        rollout=spec.rollout,
        autoscale=spec.autoscale,
        is_paused=spec.is_paused,
        is_evictable=spec.is_evictable,
        wake_timeout_s=spec.wake_timeout_s,
        failure_budget=spec.failure_budget,
        restarts=spec.restarts,
        project_id=spec.project_id,
        endpoints_revision=next_document_revision(0, at),
    )
    if before is None:
        return msgspec.structs.replace(after, restarts_done=spec.restarts, last_used_at=at)
    is_told = _is_told_how_many(spec, before)
    after = msgspec.structs.replace(
        after,
        endpoints_revision=next_document_revision(before.endpoints_revision, at),
        target_replicas=None if is_told else before.target_replicas,
        target_reason=before.target_reason,
        last_used_at=at if is_told else before.last_used_at,
        rollout_began_at=before.rollout_began_at,
        rollout_progress_at=before.rollout_progress_at,
        rollout_paused_at=before.rollout_paused_at,
        rollout_from_number=before.rollout_from_number,
        failed_version_id=before.failed_version_id,
        restarts_done=before.restarts_done,
        row_version=before.row_version,
    )
    return started_rollout(before, after, at)


def _is_told_how_many(spec: DeploymentSpec, before: Deployment) -> bool:
    """Whether somebody scaled or started it: that is a use, and counts more than what idleness or load made of it."""
    is_started = before.desired is not DeploymentDesired.RUN or spec.restarts > before.restarts
    return is_started or spec.replicas != before.replicas


def _starts_anew(after: Deployment, before: Deployment | None) -> bool:
    """Whether somebody made this version the wanted one, or started it again."""
    if before is None or after.version_id != before.version_id:
        return True
    return before.desired is not DeploymentDesired.RUN and after.desired is DeploymentDesired.RUN


async def _tell_nodes(session: WriteSession, deployment_id: str, revision: int, *, at: float) -> None:
    """The drain timeout is part of the assignments: their documents changed."""
    holders = select(tables.replicas.c.node_id).where(
        tables.replicas.c.deployment_id == deployment_id, tables.replicas.c.ended_at.is_(None)
    )
    following, least = tables.nodes.c.assignments_revision + 1, next_document_revision(0, at)
    await session.execute(
        update(tables.nodes)
        .where(tables.nodes.c.node_id.in_(holders))
        .values(
            assignments_revision=case((following > least, following), else_=least),
            row_version=tables.nodes.c.row_version + 1,
            revision=revision,
        )
    )

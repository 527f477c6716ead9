"""Take the catalog's specs into the scheduler's own record."""

from collections.abc import Iterable

import msgspec
from sqlalchemy import select, update

from roundhouse_common.contracts.catalog import DeploymentSpec
from roundhouse_common.database import WriteSession, upsert
from roundhouse_scheduler.domain.records import Deployment
from roundhouse_scheduler.domain.revisions import next_endpoints_revision
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.rows import add, deployment_from, replace

__all__ = ["take_specs"]


async def take_specs(session: WriteSession, specs: Iterable[DeploymentSpec], *, at: float) -> list[str]:
    """Record the specs that are newer than what is known, and return their deployments.

    A lower or equal generation changes nothing, and neither does a spec that is not there any more: only a spec that
    says "delete" deletes.
    """
    known = {row.deployment_id: deployment_from(row) for row in await session.execute(select(tables.deployments))}
    taken: list[str] = []
    for spec in sorted(specs, key=lambda item: item.deployment_id):
        before = known.get(spec.deployment_id)
        if before is not None and spec.generation <= before.generation:
            continue
        await session.execute(
            upsert(session.dialect, tables.versions, key=["version_id"]),
            [{"version_id": spec.version.version_id, "deployment_id": spec.deployment_id, "spec": spec.version}],
        )
        after = _deployment(spec, before, at)
        if before is None:
            await add(session, tables.deployments, after)
        else:
            await replace(session, tables.deployments, after)
            if before.drain_timeout_s != after.drain_timeout_s:
                await _tell_nodes(session, spec.deployment_id)
        taken.append(spec.deployment_id)
    return taken


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
        endpoints_revision=next_endpoints_revision(0, at),
    )
    if before is None:
        return after
    return msgspec.structs.replace(
        after,
        endpoints_revision=next_endpoints_revision(before.endpoints_revision, at),
        target_replicas=before.target_replicas,
        target_reason=before.target_reason,
        last_used_at=before.last_used_at,
        rollout_began_at=before.rollout_began_at,
        rollout_progress_at=before.rollout_progress_at,
        failed_version_id=before.failed_version_id,
        row_version=before.row_version,
    )


async def _tell_nodes(session: WriteSession, deployment_id: str) -> None:
    """The drain timeout is part of the assignments: their documents changed."""
    holders = select(tables.replicas.c.node_id).where(
        tables.replicas.c.deployment_id == deployment_id, tables.replicas.c.ended_at.is_(None)
    )
    await session.execute(
        update(tables.nodes)
        .where(tables.nodes.c.node_id.in_(holders))
        .values(
            assignments_revision=tables.nodes.c.assignments_revision + 1,
            row_version=tables.nodes.c.row_version + 1,
        )
    )

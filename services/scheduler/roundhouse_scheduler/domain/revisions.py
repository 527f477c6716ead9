"""Count a document up when what it says changes: revisions are what old and new are told apart by."""

import msgspec

from roundhouse_scheduler.domain.documents import endpoint_of
from roundhouse_scheduler.domain.plan import Draft
from roundhouse_scheduler.domain.records import Replica

__all__ = ["bump_revisions", "next_document_revision"]


def next_document_revision(revision: int, now: float) -> int:
    """Return a higher revision: at least the time in milliseconds, so that routers and nodes also take what a
    scheduler says whose database was restored from an older copy."""
    return max(revision + 1, int(now * 1000))


def bump_revisions(draft: Draft) -> None:
    """Raise the revision of every node's assignments and every deployment's endpoints that the draft changes."""
    changed = draft.changed_replicas()
    _bump_assignments(draft, changed)
    _bump_endpoints(draft, changed)


def _told(replica: Replica | None) -> tuple[object, ...] | None:
    """What an assignment says that can change; None when there is none."""
    if replica is None or not replica.is_held:
        return None
    return (
        replica.node_id,
        replica.desired,
        replica.desired_reason,
        replica.attempt,
        replica.device_uuids,
    )


def _bump_assignments(draft: Draft, changed: list[tuple[Replica | None, Replica]]) -> None:
    touched: set[str] = set()
    concerned: list[Replica] = []
    for before, after in changed:
        if _told(before) == _told(after):
            continue
        touched |= {row.node_id for row in (before, after) if row is not None and row.node_id}
        if after.is_held:
            concerned.append(after)
    for node_id in sorted(touched):
        node = draft.nodes[node_id]
        revision = next_document_revision(node.assignments_revision, draft.now)
        draft.nodes[node_id] = msgspec.structs.replace(node, assignments_revision=revision)
    for replica in concerned:
        draft.edit(replica.replica_id, assigned_revision=draft.nodes[replica.node_id].assignments_revision)


def _bump_endpoints(draft: Draft, changed: list[tuple[Replica | None, Replica]]) -> None:
    touched: set[str] = set()
    for before, after in changed:
        old = endpoint_of(before, draft.view.nodes.get(before.node_id)) if before is not None else None
        new = endpoint_of(after, draft.nodes.get(after.node_id)) if after.ended_at is None else None
        if old != new:
            touched.add(after.deployment_id)
    for deployment_id in sorted(touched):
        deployment = draft.deployments[deployment_id]
        revision = next_document_revision(deployment.endpoints_revision, draft.now)
        draft.deployments[deployment_id] = msgspec.structs.replace(deployment, endpoints_revision=revision)

"""Engines that run and that the record does not know: it was lost, or restored from an older copy.

They serve requests, so they are taken up as they are; what is too many is drained afterwards by the ordinary steps and
for an ordinary reason. What cannot be taken up is left alone until it is certain that nobody wants it: its deployment
is gone from specs that are there, has all it wants without it, or has long found no room beside it. Only then its node
may stop it.
"""

import enum

from roundhouse_common.contracts.catalog import DeploymentDesired
from roundhouse_common.contracts.node import NodeReport, ObservedPhase, ReplicaReport
from roundhouse_common.contracts.scheduler import NodeAdmission, Phase, Reason
from roundhouse_scheduler.domain.crowding import is_crowded
from roundhouse_scheduler.domain.documents import as_placed
from roundhouse_scheduler.domain.observe import accepts
from roundhouse_scheduler.domain.plan import Draft, Noted
from roundhouse_scheduler.domain.records import Deployment, Node, Replica
from roundhouse_scheduler.domain.restarts import note_failure
from roundhouse_scheduler.domain.revisions import next_document_revision
from roundhouse_scheduler.domain.transitions import ReplicaEvent

__all__ = ["adopt_strangers", "runs"]

_EVENTS = {
    ObservedPhase.FETCHING: ReplicaEvent.FETCHING,
    ObservedPhase.STARTING: ReplicaEvent.STARTING,
    ObservedPhase.READY: ReplicaEvent.READY,
    ObservedPhase.DRAINING: ReplicaEvent.DRAINING,
    ObservedPhase.FAILED: ReplicaEvent.STARTING,
}
"""What is made of what a node says. A failed one has an engine that lives and does not answer: that it failed is taken
in with the next report, as of any other."""
_LOOK_AGAIN_S = 5.0


class _Verdict(enum.Enum):
    ADOPT = "adopt"
    WAIT = "wait"
    ORPHAN = "orphan"


def runs(entry: ReplicaReport) -> bool:
    """Whether an engine of it runs or is about to."""
    return entry.phase in _EVENTS and (entry.phase is not ObservedPhase.FAILED or entry.pid > 0)


def adopt_strangers(draft: Draft) -> None:
    """Judge every engine that a node reports and the record does not know."""
    for node in draft.focus_nodes():
        report = draft.view.reports.get(node.node_id)
        if report is not None and node.node_id not in draft.late and accepts(node, report):
            _judge_node(draft, node, report)


def _judge_node(draft: Draft, node: Node, report: NodeReport) -> None:
    waiting: list[str] = []
    orphans: list[str] = []
    for entry in report.replicas:
        if not runs(entry) or entry.replica_id in draft.replicas or entry.replica_id in draft.view.ended:
            continue
        match _judge(draft, node, entry):
            case _Verdict.ADOPT:
                _adopt(draft, node, entry)
                _clear_its_place(draft, node, report)
            case _Verdict.WAIT:
                waiting.append(entry.replica_id)
            case _Verdict.ORPHAN:
                orphans.append(entry.replica_id)
                if entry.replica_id not in node.orphans:
                    draft.actions.append(_disowned(draft, node, entry))
    if waiting:
        draft.look_again(draft.now + _LOOK_AGAIN_S, node_id=node.node_id)
    judged = (not waiting, tuple(sorted(orphans)))
    current = draft.nodes[node.node_id]
    if (current.is_settled, current.orphans) != judged:
        revision = next_document_revision(current.assignments_revision, draft.now)
        draft.edit_node(node.node_id, is_settled=judged[0], orphans=judged[1], assignments_revision=revision)


def _clear_its_place(draft: Draft, node: Node, report: NodeReport) -> None:
    """What an older record has in the place of an engine that was taken up ended long ago: the node runs nothing of it,
    and must not be told to start it there again."""
    reported = {entry.replica_id for entry in report.replicas}
    for row in draft.on(node.node_id):
        is_gone = row.replica_id not in reported and report.assignments_revision >= row.assigned_revision
        if is_gone and row.is_wanted and is_crowded(draft, row):
            detail = f"node {node.node_id} runs another engine in its place"
            note_failure(draft, row, reason=Reason.ENGINE_EXITED, detail=detail)


def _judge(draft: Draft, node: Node, entry: ReplicaReport) -> _Verdict:
    if entry.replica_id in node.orphans:
        return _Verdict.ORPHAN
    deployment = draft.deployments.get(entry.deployment_id)
    if deployment is None:
        is_certain = bool(draft.deployments) and draft.view.specs_known_s > draft.rules.adoption_grace_s
        return _Verdict.ORPHAN if is_certain else _Verdict.WAIT
    is_known = entry.version_id in draft.view.versions and bool(entry.engine_api_key)
    if is_known and node.admission is NodeAdmission.APPROVED:
        return _Verdict.ADOPT
    is_needed = _is_lacking(draft, deployment) and not _is_in_the_way(draft, deployment)
    return _Verdict.WAIT if is_needed else _Verdict.ORPHAN


def _disowned(draft: Draft, node: Node, entry: ReplicaReport) -> Noted:
    is_gone = entry.deployment_id not in draft.deployments
    reason = Reason.DEPLOYMENT_DELETED if is_gone else Reason.VERSION_REPLACED
    what = "its deployment is not in the catalog" if is_gone else "it is of a version that nobody wants any more"
    return Noted(
        deployment_id=entry.deployment_id,
        kind="replica.disowned",
        replica_id=entry.replica_id,
        reason=reason.value,
        detail=f"node {node.node_id} runs it, the record does not know it, and {what}: the node may stop it",
    )


def _is_lacking(draft: Draft, deployment: Deployment) -> bool:
    """Whether the deployment has less than it wants without the stranger."""
    if deployment.desired is not DeploymentDesired.RUN:
        return False
    ready = sum(1 for item in draft.of(deployment.deployment_id) if item.phase is Phase.READY and item.is_wanted)
    return ready < deployment.wanted_replicas


def _is_in_the_way(draft: Draft, deployment: Deployment) -> bool:
    """Whether what is wanted instead has long found no room: nobody is sent to the stranger, and it may hold that
    room."""
    return any(
        item.phase is Phase.PENDING and item.is_wanted and draft.now - item.created_at > draft.rules.adoption_grace_s
        for item in draft.of(deployment.deployment_id)
    )


def _adopt(draft: Draft, node: Node, entry: ReplicaReport) -> None:
    version = draft.view.versions[entry.version_id]
    draft.create(
        Replica(
            replica_id=entry.replica_id,
            deployment_id=entry.deployment_id,
            version_id=entry.version_id,
            version_number=entry.version_number or version.number,
            engine=version.engine,
            resources=as_placed(version, entry.alternative).resources,
            alternative=entry.alternative,
            engine_api_key=entry.engine_api_key,
            desired_reason=Reason.ADOPTED,
            phase=Phase.ASSIGNED,
            reason=Reason.ADOPTED,
            since=draft.now,
            created_at=draft.now,
            node_id=node.node_id,
            device_uuids=entry.device_uuids,
            attempt=entry.attempt,
            gang_id=entry.gang_id,
            gang_rank=entry.gang_rank,
            gang_epoch=entry.gang_epoch,
            gang_size=version.resources.node_count if entry.gang_id else 1,
        )
    )
    draft.move(
        entry.replica_id,
        _EVENTS[entry.phase],
        reason=Reason.ADOPTED,
        detail=f"node {node.node_id} runs it, and the record had lost it",
        is_serving=entry.phase is ObservedPhase.READY,
        base_url=entry.base_url,
        served_model=entry.served_model,
        pid=entry.pid,
        memory_bytes=entry.memory_bytes,
        features=entry.features,
    )

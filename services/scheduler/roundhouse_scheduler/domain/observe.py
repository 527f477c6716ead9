"""Fold what the nodes report into the replicas.

A report counts when it carries the node's present epoch and incarnation; then it is the whole truth about that node
as of its sequence. Reports of silent nodes wait until the node is heard again.
"""

import msgspec

from roundhouse_common.contracts.node import NodeReport, ObservedPhase, ReplicaReport
from roundhouse_common.contracts.scheduler import Desired, Phase, Reason
from roundhouse_scheduler.domain.plan import Draft, ReportIgnored
from roundhouse_scheduler.domain.records import Node, Refusal, Replica
from roundhouse_scheduler.domain.restarts import note_failure
from roundhouse_scheduler.domain.transitions import ReplicaEvent, next_phase

__all__ = ["accepts", "fold_reports"]

_EVENTS = {
    ObservedPhase.FETCHING: ReplicaEvent.FETCHING,
    ObservedPhase.STARTING: ReplicaEvent.STARTING,
    ObservedPhase.READY: ReplicaEvent.READY,
    ObservedPhase.DRAINING: ReplicaEvent.DRAINING,
    ObservedPhase.STOPPED: ReplicaEvent.STOPPED,
    ObservedPhase.FAILED: ReplicaEvent.FAILED,
    ObservedPhase.REJECTED: ReplicaEvent.REJECTED,
}


_DEFAULT_REASONS = {
    ReplicaEvent.FETCHING: Reason.FETCHING_MODEL,
    ReplicaEvent.STARTING: Reason.ENGINE_STARTING,
    ReplicaEvent.READY: Reason.ENGINE_READY,
    ReplicaEvent.STOPPED: Reason.STOPPED_AS_ASKED,
    ReplicaEvent.FAILED: Reason.ENGINE_EXITED,
    ReplicaEvent.REJECTED: Reason.NODE_REJECTED,
}


def accepts(node: Node, report: NodeReport) -> bool:
    """Return whether a report speaks for this node as it is registered now, and is not older than the last."""
    is_current = report.epoch == node.epoch and report.incarnation == node.incarnation
    return is_current and report.sequence >= node.report_sequence


def fold_reports(draft: Draft) -> None:
    """Take in every report that counts, of every node that is heard."""
    for node in draft.focus_nodes():
        node_id = node.node_id
        report = draft.view.reports.get(node_id)
        if report is None or node_id in draft.late:
            continue
        if not accepts(node, report):
            draft.actions.append(ReportIgnored(node_id=node_id, epoch=report.epoch, current_epoch=node.epoch))
            continue
        _take_node(draft, node, report)
        listed = {entry.replica_id: entry for entry in report.replicas}
        for replica in draft.on(node_id):
            entry = listed.get(replica.replica_id)
            if entry is None:
                _fold_absence(draft, replica, report)
            elif entry.attempt > replica.attempt:
                # Only a record that was restored from an older copy knows fewer attempts than a node.
                _fold_entry(draft, draft.edit(replica.replica_id, attempt=entry.attempt), entry)
            elif entry.attempt == replica.attempt or _is_known_down(replica, entry, report):
                _fold_entry(draft, replica, entry)


def _is_down(entry: ReplicaReport) -> bool:
    """A failed engine may still have a process, which is being ended."""
    if entry.phase is ObservedPhase.FAILED:
        return entry.pid == 0
    return entry.phase in (ObservedPhase.STOPPED, ObservedPhase.REJECTED)


def _is_known_down(replica: Replica, entry: ReplicaReport, report: NodeReport) -> bool:
    """An earlier attempt that is down answers a wish to stop, since no later one was started."""
    knows = report.assignments_revision >= replica.assigned_revision
    return knows and _is_down(entry) and replica.desired is not Desired.RUN


def _take_node(draft: Draft, node: Node, report: NodeReport) -> None:
    if report.sequence == node.report_sequence:
        return
    draft.nodes[node.node_id] = msgspec.structs.replace(
        node,
        inventory=report.inventory,
        report_sequence=report.sequence,
        is_shutting_down=report.is_shutting_down,
    )


def _fold_entry(draft: Draft, replica: Replica, entry: ReplicaReport) -> None:
    event = _EVENTS.get(entry.phase)
    if event is None:
        return
    if _is_down(entry) and replica.desired is not Desired.RUN:
        event = ReplicaEvent.STOPPED
    elif event is ReplicaEvent.STOPPED:
        event = ReplicaEvent.FAILED
    if entry.memory_bytes not in (0, replica.memory_bytes):
        replica = draft.edit(replica.replica_id, memory_bytes=entry.memory_bytes)
    if entry.features not in ((), replica.features):
        replica = draft.edit(replica.replica_id, features=entry.features)
    after = next_phase(replica.phase, event)
    if after is None:
        return
    if replica.phase is after is Phase.FAILED:
        draft.edit(replica.replica_id, pid=entry.pid, exit_code=entry.exit_code, log_tail=entry.log_tail)
        return
    match event:
        case ReplicaEvent.FAILED:
            note_failure(draft, replica, reason=_reason(entry, event), detail=entry.detail, entry=entry)
        case ReplicaEvent.REJECTED:
            _refuse(draft, replica, entry)
        case _:
            _take_entry(draft, replica, entry, event)


def _take_entry(draft: Draft, replica: Replica, entry: ReplicaReport, event: ReplicaEvent) -> None:
    reason = _reason(entry, event)
    if event is ReplicaEvent.STOPPED:
        reason = replica.desired_reason if reason is Reason.UNKNOWN else reason
    elif replica.phase in (Phase.UNKNOWN, Phase.LOST):
        reason = Reason.NODE_RETURNED
    elif replica.reason in (Reason.NODE_RETURNED, Reason.ADOPTED) and next_phase(replica.phase, event) is replica.phase:
        reason = replica.reason
    draft.move(
        replica.replica_id,
        event,
        reason=reason,
        detail=entry.detail or replica.last_failure,
        is_serving=event is ReplicaEvent.READY,
        base_url=entry.base_url or replica.base_url,
        served_model=entry.served_model or replica.served_model,
        pid=entry.pid,
        exit_code=entry.exit_code,
        log_tail=entry.log_tail,
        missing_since=None,
        overdue_since=None,
        retry_at=None,
    )


def _reason(entry: ReplicaReport, event: ReplicaEvent) -> Reason:
    given = Reason(entry.reason)
    return _DEFAULT_REASONS.get(event, given) if given is Reason.UNKNOWN else given


def _refuse(draft: Draft, replica: Replica, entry: ReplicaReport) -> None:
    """The node has the last word on its own resources: look elsewhere, and here again only after a while."""
    until = draft.now + draft.rules.refusal_s
    others = tuple(item for item in replica.refusals if item.node_id != replica.node_id and item.until > draft.now)
    draft.move(
        replica.replica_id,
        ReplicaEvent.REJECTED,
        reason=Reason.NODE_REJECTED,
        detail=entry.detail,
        node_id="",
        device_uuids=(),
        is_serving=False,
        refusals=(*others, Refusal(node_id=replica.node_id, detail=entry.detail, until=until)),
    )
    draft.look_again(until, replica_id=replica.replica_id)


def _fold_absence(draft: Draft, replica: Replica, report: NodeReport) -> None:
    """The node says nothing of a replica. It counts only once the node knows the assignment, and on a second look."""
    if report.assignments_revision < replica.assigned_revision:
        _returned(draft, replica)
        return
    if replica.desired is Desired.RUN and replica.phase in (Phase.ASSIGNED, Phase.FAILED):
        return
    if replica.missing_since is None:
        draft.edit(replica.replica_id, missing_since=draft.now)
        draft.look_again(draft.now + draft.rules.second_look_s, replica_id=replica.replica_id)
    elif draft.now - replica.missing_since < draft.rules.second_look_s:
        draft.look_again(replica.missing_since + draft.rules.second_look_s, replica_id=replica.replica_id)
    elif replica.desired is Desired.RUN:
        note_failure(
            draft, replica, reason=Reason.ENGINE_EXITED, detail=f"node {replica.node_id} does not have it any more"
        )
    else:
        draft.move(replica.replica_id, ReplicaEvent.STOPPED, reason=replica.desired_reason, is_serving=False)


def _returned(draft: Draft, replica: Replica) -> None:
    if next_phase(replica.phase, ReplicaEvent.NODE_RETURNED) is not None:
        draft.move(replica.replica_id, ReplicaEvent.NODE_RETURNED, reason=Reason.NODE_RETURNED, overdue_since=None)

"""Failed engines: at once after the first failure, then with growing pauses, on the same node, as a new attempt."""

from roundhouse_common.contracts.node import ReplicaReport
from roundhouse_common.contracts.scheduler import Phase, Reason
from roundhouse_scheduler.domain.plan import Draft
from roundhouse_scheduler.domain.records import Replica
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.domain.transitions import ReplicaEvent

__all__ = ["backoff_s", "note_failure", "restart_failed"]


def backoff_s(failures: int, rules: Rules) -> float:
    """Return the pause before the next start after so many failures in a row: 0, 1, 2, 4, ... up to the ceiling."""
    if failures <= 1:
        return 0.0
    doublings = min(failures - 2, 32)
    return min(rules.backoff_max_s, rules.backoff_first_s * 2.0**doublings)


def note_failure(
    draft: Draft, replica: Replica, *, reason: Reason, detail: str, entry: ReplicaReport | None = None
) -> None:
    """Record that an engine failed, and when it may start again. One that its node's operator stopped did not fail:
    it starts at once when the node is back, and nothing is counted.
    """
    was_ready_s = draft.now - replica.ready_since if replica.ready_since is not None else 0.0
    failures = 0 if was_ready_s >= draft.rules.forget_failures_after_s else replica.failures
    if reason is not Reason.NODE_SHUTDOWN:
        failures += 1
    pause_s = 0.0 if reason is Reason.NODE_SHUTDOWN else backoff_s(failures, draft.rules)
    if reason is Reason.ENGINE_UNRESPONSIVE:
        pause_s = max(pause_s, draft.rules.unresponsive_patience_s)
    cause = f"{reason.value}: {detail}" if detail else reason.value
    draft.move(
        replica.replica_id,
        ReplicaEvent.FAILED,
        reason=reason,
        detail=detail,
        is_serving=False,
        failures=failures,
        retry_at=draft.now + pause_s,
        last_failure=f"after {cause}",
        pid=entry.pid if entry is not None else 0,
        exit_code=entry.exit_code if entry is not None else None,
        log_tail=entry.log_tail if entry is not None else (),
        missing_since=None,
        overdue_since=None,
    )
    if pause_s > 0.0:
        waiting = f"{cause}; attempt {replica.attempt + 1} starts in {pause_s:.0f} s"
        draft.move(replica.replica_id, ReplicaEvent.FAILED, reason=Reason.RESTART_BACKOFF, detail=waiting)


def restart_failed(draft: Draft) -> None:
    """Start failed engines again whose pause is over; move them off a node that is going away."""
    for replica in draft.live():
        if replica.gang_id:
            continue  # its gang starts anew as a whole (gangs/tend.py)
        if replica.phase is not Phase.FAILED or not replica.is_wanted or replica.node_id in draft.late:
            continue
        if draft.nodes[replica.node_id].is_shutting_down:
            if replica.pid != 0:
                continue
            draft.move(
                replica.replica_id,
                ReplicaEvent.DISPLACED,
                reason=Reason.NODE_SHUTDOWN,
                detail=f"node {replica.node_id} is shutting down",
                node_id="",
                device_uuids=(),
                retry_at=None,
            )
        elif replica.retry_at is None or draft.now >= replica.retry_at:
            draft.move(
                replica.replica_id,
                ReplicaEvent.RETRIED,
                reason=replica.reason,
                detail=replica.last_failure,
                attempt=replica.attempt + 1,
                retry_at=None,
            )
        else:
            draft.look_again(replica.retry_at)

"""Hold gangs together: one member down stops all, and the next epoch starts when none of the last can still run.

Engines of this kind cannot go on with a member missing, and a member that is started again cannot rejoin its peers:
they must all meet anew, at another port, so that a straggler of the last meeting finds nobody.
"""

from collections.abc import Sequence

import msgspec

from roundhouse_common.contracts.catalog import DeploymentDesired, StopOrder, stop_order_of
from roundhouse_common.contracts.scheduler import Desired, Phase, Reason
from roundhouse_scheduler.domain.gangs.members import Gang, gangs_in_focus
from roundhouse_scheduler.domain.plan import Draft
from roundhouse_scheduler.domain.records import Replica
from roundhouse_scheduler.domain.restarts import backoff_s
from roundhouse_scheduler.domain.rules import grace_s

__all__ = ["tend_gangs"]

_GUARD_S = 15.0
"""How much later than its agent an engine's own guard ends it."""
_DOWN = (Phase.FAILED, Phase.LOST)
_LIVING = frozenset({Phase.ASSIGNED, Phase.FETCHING, Phase.STARTING, Phase.READY, Phase.DRAINING})


def tend_gangs(draft: Draft) -> None:
    """Stop what must stop of every gang, and begin a new epoch for one that lost a member."""
    for gang in gangs_in_focus(draft):
        if _awaits_members(draft, gang):
            continue
        for rows in gang.by_epoch(gang.earlier):
            _stop(draft, rows)  # those that waited for their head
        if gang.is_wanted:
            fallen = _fallen(gang)
            if fallen is not None:
                _begin_anew(draft, gang, fallen)
        elif gang.leader is None or gang.leader.phase is Phase.LOST:
            _stop(draft, gang.current)


def _awaits_members(draft: Draft, gang: Gang) -> bool:
    """Whether members that the record has lost may still run: some were taken up, and others are not known yet. Their
    nodes report them soon, or have fenced them after a while; until then nothing of the gang may start anew."""
    rows = gang.current
    adopted = [row.created_at for row in rows if row.desired_reason is Reason.ADOPTED]
    if not adopted or len(rows) >= rows[0].gang_size:
        return False
    deployment = draft.deployments[rows[0].deployment_id]
    if gang.leader is None and (deployment.desired is not DeploymentDesired.RUN or not deployment.wanted_replicas):
        return False  # nothing of it is to start: its members may go at once
    until = max(adopted) + draft.rules.lease_s + grace_s(rows[0], deployment) + _GUARD_S
    if draft.now < until:
        draft.look_again(until, deployment_id=rows[0].deployment_id)
    return draft.now < until


def _fallen(gang: Gang) -> Replica | None:
    """Return a member because of which the gang cannot go on, or None while all is well or nothing has begun."""
    rows = gang.current
    if all(row.phase is Phase.PENDING for row in rows):
        return None
    for row in rows:
        if row.phase in _DOWN and not row.is_spent:
            return row
        if row.phase is Phase.PENDING and not row.is_spent:
            return row  # its node refused it, or it was displaced, while others have nodes
        if not row.is_wanted:
            return row
    leader = gang.leader
    assert leader is not None
    is_spent = any(row.is_spent for row in rows)
    return leader if len(rows) < leader.gang_size and not is_spent else None


def _begin_anew(draft: Draft, gang: Gang, fallen: Replica) -> None:
    """With a member down there is nothing left to drain: all are stopped, in the order that their engine needs."""
    leader = gang.leader
    assert leader is not None
    failures = max(row.failures for row in gang.current)
    is_spent = failures >= draft.deployments[leader.deployment_id].failure_budget
    pause_s = backoff_s(failures, draft.rules) if fallen.phase is Phase.FAILED else 0.0
    cause = f"member {fallen.gang_rank} on {fallen.node_id or 'no node'}: {fallen.reason.value}"
    told = f"{cause}: {fallen.detail}" if fallen.detail else cause
    _stop(draft, gang.current)
    successor = msgspec.structs.replace(
        leader,
        replica_id=draft.mint.replica_id(),
        engine_api_key=draft.mint.engine_api_key(),
        desired=Desired.RUN,
        desired_reason=Reason.CREATED,
        phase=Phase.FAILED if is_spent else Phase.PENDING,
        reason=Reason.FAILURE_BUDGET_SPENT if is_spent else Reason.GANG_MEMBER_DOWN,
        detail=told,
        since=draft.now,
        created_at=draft.now,
        ended_at=None,
        node_id="",
        device_uuids=(),
        attempt=1,
        assigned_revision=0,
        is_serving=False,
        ready_since=None,
        failures=failures,
        retry_at=draft.now + pause_s if pause_s > 0.0 else None,
        last_failure=f"after {told}",
        overdue_since=None,
        missing_since=None,
        replaces="",
        base_url="",
        pid=0,
        exit_code=fallen.exit_code,
        log_tail=fallen.log_tail,
        rejections=(),
        refusals=tuple({item.node_id: item for row in gang.current for item in row.refusals}.values()),
        alternative="",
        is_spent=is_spent,
        memory_bytes=0,
        gang_epoch=gang.epoch + 1,
        gang_address="",
        gang_port=0,
        row_version=0,
    )
    draft.create(successor)
    if successor.retry_at is not None:
        draft.look_again(successor.retry_at, replica_id=successor.replica_id)


def _stop(draft: Draft, rows: Sequence[Replica]) -> None:
    """Stop the members of one epoch. Where the head goes first the others are told when it has ended, or when it
    cannot be heard."""
    head = next((row for row in rows if row.gang_rank == 0), None)
    is_head_first = head is not None and stop_order_of(head.engine) is StopOrder.HEAD_FIRST and head.phase in _LIVING
    for row in rows:
        waits = is_head_first and row is not head and bool(row.node_id)
        if row.is_wanted and not waits:
            draft.want(row.replica_id, Desired.STOP, reason=Reason.GANG_MEMBER_DOWN)

"""What to do, from what is wanted and what runs: `decide(wanted, observed, confirmed) -> Plan`.

An engine that runs is only ever drained or stopped when two looks agree: the assignments as projected (`wanted`) and
the scheduler's database as asked for afterwards (`confirmed`). Without the second look the plan names what it would
stop in `unconfirmed` and leaves it running. Starting needs no second look. While either look is not settled, the
scheduler has lost something of its record: then being unlisted means nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_common.contracts.scheduler import Assignment, Desired, NodeAssignments, Reason
from roundhouse_node_agent.domain.replica import Replica

__all__ = ["Action", "CancelDrain", "Drain", "Forget", "Plan", "Settle", "Start", "Stop", "decide", "is_newer"]

_NOT_ASSIGNED = "it is no longer assigned to this node"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Take up this attempt."""

    assignment: Assignment


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """Let requests in flight end, then stop the engine."""

    replica_id: str
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelDrain:
    """It is wanted again."""

    replica_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Stop the engine now: nothing of value is in flight."""

    replica_id: str
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Nothing of it runs here and nothing shall: report it as stopped."""

    assignment: Assignment


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """It ended and nobody asks for it any more."""

    replica_id: str


Action = Start | Drain | CancelDrain | Stop | Settle | Forget


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    actions: tuple[Action, ...] = ()
    unconfirmed: tuple[str, ...] = ()
    """Replicas that would be drained or stopped if the scheduler's database said so too."""


def is_newer(offered: NodeAssignments, current: NodeAssignments | None, *, node_id: str, epoch: int) -> bool:
    """Whether the document is for this node and epoch and not older than what was taken in."""
    if offered.node_id != node_id or offered.epoch != epoch:
        return False
    return current is None or current.epoch != epoch or offered.revision >= current.revision


def decide(wanted: NodeAssignments | None, observed: Mapping[str, Replica], confirmed: NodeAssignments | None) -> Plan:
    """Return what to do now. With nothing known to be wanted, nothing is done."""
    if wanted is None:
        return Plan()
    by_id = {assignment.replica_id: assignment for assignment in wanted.assignments}
    actions: list[Action] = []
    unconfirmed: list[str] = []
    for replica_id in sorted({*by_id, *observed}):
        if replica_id not in by_id and observed[replica_id].is_active and not wanted.is_settled:
            continue
        action = _decide_one(by_id.get(replica_id), observed.get(replica_id))
        if isinstance(action, Drain | Stop) and not _agrees(confirmed, wanted, observed[replica_id]):
            unconfirmed.append(replica_id)
        elif action is not None:
            actions.append(action)
    return Plan(actions=tuple(actions), unconfirmed=tuple(unconfirmed))


def _decide_one(assignment: Assignment | None, replica: Replica | None) -> Action | None:
    if assignment is None:
        assert replica is not None
        return _unassigned(replica)
    match assignment.desired:
        case Desired.RUN:
            return _run(assignment, replica)
        case Desired.DRAIN | Desired.STOP:
            if replica is None:
                return Settle(assignment=assignment)
            if not replica.is_active:
                return Settle(assignment=assignment) if replica.phase is not ObservedPhase.STOPPED else None
            return _end(replica, assignment.reason, "", is_urgent=assignment.desired is Desired.STOP)
        case Desired.UNKNOWN:
            return None
        case _:
            assert_never(assignment.desired)


def _run(assignment: Assignment, replica: Replica | None) -> Action | None:
    if replica is None:
        return Start(assignment=assignment)
    if assignment.attempt > replica.attempt:
        if replica.is_active:
            return _end(replica, assignment.reason, "a new attempt is wanted", is_urgent=True)
        return Start(assignment=assignment)
    is_draining = replica.phase is ObservedPhase.DRAINING and replica.is_active and not replica.is_stopping
    if is_draining and assignment.attempt == replica.attempt:
        return CancelDrain(replica_id=replica.replica_id)
    return None


def _unassigned(replica: Replica) -> Action | None:
    if not replica.is_active:
        return Forget(replica_id=replica.replica_id)
    return _end(replica, Reason.STOPPED_AS_ASKED, _NOT_ASSIGNED, is_urgent=False)


def _end(replica: Replica, reason: Reason, detail: str, *, is_urgent: bool) -> Drain | Stop | None:
    if replica.is_stopping:
        return None
    if replica.phase is ObservedPhase.DRAINING and not is_urgent:
        return None
    if replica.phase is ObservedPhase.READY and not is_urgent:
        return Drain(replica_id=replica.replica_id, reason=reason, detail=detail)
    return Stop(replica_id=replica.replica_id, reason=reason)


def _agrees(confirmed: NodeAssignments | None, wanted: NodeAssignments, replica: Replica) -> bool:
    """Whether the second look, itself not older than the first, also does not want this engine to run."""
    if confirmed is None or confirmed.epoch != wanted.epoch or confirmed.revision < wanted.revision:
        return False
    for assignment in confirmed.assignments:
        if assignment.replica_id == replica.replica_id:
            is_successor = assignment.desired is Desired.RUN and assignment.attempt > replica.attempt
            return is_successor or assignment.desired in (Desired.DRAIN, Desired.STOP)
    return confirmed.is_settled

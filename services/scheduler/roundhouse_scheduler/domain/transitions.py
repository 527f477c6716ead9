"""The life of a replica: one table of (phase, event) -> phase, and the only function that moves a replica.

A pair that is not in the table means that the event says nothing about a replica in that phase; `next_phase`
returns None and callers drop the event. A test walks every pair and the diagram in docs/replica-life-cycle.md is
generated from this table.
"""

import enum
from collections.abc import Mapping

import msgspec

from roundhouse_common.contracts.scheduler import Phase, Reason
from roundhouse_scheduler.domain.errors import IllegalTransition
from roundhouse_scheduler.domain.records import Replica

__all__ = ["TRANSITIONS", "ReplicaEvent", "advance", "next_phase"]


class ReplicaEvent(enum.StrEnum):
    """What can happen to a replica."""

    PLACED = "placed"
    UNPLACEABLE = "unplaceable"
    WITHDRAWN = "withdrawn"
    """No longer wanted before it had a node."""
    REJECTED = "rejected"
    """Its node refused it."""
    DISPLACED = "displaced"
    """Its engine is down and its node is going away: look for another node."""
    FETCHING = "fetching"
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    FAILED = "failed"
    STOPPED = "stopped"
    RETRIED = "retried"
    NODE_LATE = "node-late"
    NODE_RETURNED = "node-returned"
    """Its node is back and has not said anything about it yet."""
    NODE_LOST = "node-lost"


_P = Phase
_E = ReplicaEvent

_OBSERVED: dict[ReplicaEvent, Phase] = {
    _E.FETCHING: _P.FETCHING,
    _E.STARTING: _P.STARTING,
    _E.READY: _P.READY,
    _E.DRAINING: _P.DRAINING,
    _E.FAILED: _P.FAILED,
    _E.STOPPED: _P.STOPPED,
    _E.REJECTED: _P.PENDING,
}
"""What a node reports is taken as it is, from every phase in which a node has the replica: an agent that restarts
may see any of them again."""

_ON_A_NODE = (_P.ASSIGNED, _P.FETCHING, _P.STARTING, _P.READY, _P.DRAINING, _P.FAILED)


def _table() -> dict[tuple[Phase, ReplicaEvent], Phase]:
    table: dict[tuple[Phase, ReplicaEvent], Phase] = {
        (_P.PENDING, _E.PLACED): _P.ASSIGNED,
        (_P.PENDING, _E.UNPLACEABLE): _P.PENDING,
        (_P.PENDING, _E.WITHDRAWN): _P.STOPPED,
        (_P.FAILED, _E.RETRIED): _P.ASSIGNED,
        (_P.FAILED, _E.DISPLACED): _P.PENDING,
        (_P.UNKNOWN, _E.NODE_LOST): _P.LOST,
        (_P.UNKNOWN, _E.NODE_RETURNED): _P.ASSIGNED,
        (_P.LOST, _E.NODE_RETURNED): _P.ASSIGNED,
    }
    for phase in (*_ON_A_NODE, _P.UNKNOWN, _P.LOST):
        table |= {(phase, event): after for event, after in _OBSERVED.items()}
    table |= {(phase, _E.NODE_LATE): _P.UNKNOWN for phase in _ON_A_NODE}
    return table


TRANSITIONS: Mapping[tuple[Phase, ReplicaEvent], Phase] = _table()


def next_phase(phase: Phase, event: ReplicaEvent) -> Phase | None:
    """Return the phase after `event`, or None where the event says nothing in this phase."""
    return TRANSITIONS.get((phase, event))


def advance(replica: Replica, event: ReplicaEvent, *, reason: Reason, at: float, detail: str = "") -> Replica:
    """Return the replica after `event`. Raises IllegalTransition for a pair outside the table.

    `since` is kept while the phase stays; STOPPED ends the replica.
    """
    after = next_phase(replica.phase, event)
    if after is None:
        raise IllegalTransition(replica.replica_id, replica.phase, event.value)
    since = replica.since if after is replica.phase else at
    ready_since = None
    if after is Phase.READY:
        ready_since = replica.ready_since if replica.ready_since is not None else at
    elif after is Phase.UNKNOWN:
        ready_since = replica.ready_since
    return msgspec.structs.replace(
        replica,
        phase=after,
        reason=reason,
        detail=detail,
        since=since,
        ready_since=ready_since,
        ended_at=at if after is Phase.STOPPED else replica.ended_at,
    )

"""The table of a replica's life: total over (phase, event), and drawn in the docs."""

from itertools import product
from pathlib import Path

import pytest

from roundhouse_common.contracts.scheduler import Phase, Reason
from roundhouse_scheduler.domain.diagram import render
from roundhouse_scheduler.domain.errors import IllegalTransition
from roundhouse_scheduler.domain.transitions import TRANSITIONS, ReplicaEvent, advance, next_phase
from tests.support.scheduler import a_replica

ROOT = Path(__file__).parents[3]
OBSERVED = {
    ReplicaEvent.FETCHING: Phase.FETCHING,
    ReplicaEvent.STARTING: Phase.STARTING,
    ReplicaEvent.READY: Phase.READY,
    ReplicaEvent.DRAINING: Phase.DRAINING,
    ReplicaEvent.FAILED: Phase.FAILED,
    ReplicaEvent.STOPPED: Phase.STOPPED,
    ReplicaEvent.REJECTED: Phase.PENDING,
}
HAS_A_NODE = set(Phase) - {Phase.PENDING, Phase.STOPPED}
PAIRS = list(product(Phase, ReplicaEvent))


@pytest.mark.parametrize(("phase", "event"), PAIRS, ids=lambda value: str(value.value))
def test_every_pair_either_advances_or_is_refused(phase: Phase, event: ReplicaEvent) -> None:
    replica = a_replica(phase=phase)
    after = next_phase(phase, event)
    if after is None:
        with pytest.raises(IllegalTransition):
            advance(replica, event, reason=Reason.PLACED, at=5.0)
        return
    moved = advance(replica, event, reason=Reason.PLACED, at=5.0)
    assert (moved.phase, moved.reason) == (after, Reason.PLACED)
    assert (moved.ended_at is not None) == (after is Phase.STOPPED)
    assert moved.since == (0.0 if after is phase else 5.0)


@pytest.mark.parametrize(("phase", "event"), [p for p in PAIRS if p[1] in OBSERVED], ids=lambda v: str(v.value))
def test_what_a_node_reports_is_taken_as_it_is_wherever_a_node_has_the_replica(
    phase: Phase, event: ReplicaEvent
) -> None:
    assert next_phase(phase, event) == (OBSERVED[event] if phase in HAS_A_NODE else None)


def test_a_stopped_replica_never_lives_again() -> None:
    assert not [pair for pair in TRANSITIONS if pair[0] is Phase.STOPPED]


def test_only_silence_past_the_grace_loses_a_replica() -> None:
    assert [pair for pair, after in TRANSITIONS.items() if after is Phase.LOST] == [
        (Phase.UNKNOWN, ReplicaEvent.NODE_LOST)
    ]


def test_every_phase_is_reached_from_pending() -> None:
    seen, edge = {Phase.PENDING}, [Phase.PENDING]
    while edge:
        here = edge.pop()
        found = {after for (before, _), after in TRANSITIONS.items() if before is here} - seen
        seen |= found
        edge.extend(found)
    assert seen == set(Phase)


def test_time_ready_is_kept_while_its_node_is_only_late() -> None:
    ready = advance(a_replica(phase=Phase.STARTING), ReplicaEvent.READY, reason=Reason.ENGINE_READY, at=5.0)
    late = advance(ready, ReplicaEvent.NODE_LATE, reason=Reason.NODE_LATE, at=9.0)
    back = advance(late, ReplicaEvent.READY, reason=Reason.NODE_RETURNED, at=12.0)
    assert back.ready_since == 5.0
    assert advance(back, ReplicaEvent.STARTING, reason=Reason.ENGINE_STARTING, at=13.0).ready_since is None


def test_the_diagram_in_the_docs_is_the_table() -> None:
    assert (ROOT / "docs" / "replica-life-cycle.md").read_text() == render()

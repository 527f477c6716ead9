"""A node comes back after its replicas were replaced."""

import pytest

from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_common.contracts.scheduler import Desired, Phase, Reason
from roundhouse_scheduler.domain.survivors import choose_survivor
from tests.support.scheduler import Fleet, a_fleet, a_replica, an_entry

READY, STARTING, ASSIGNED, PENDING = Phase.READY, Phase.STARTING, Phase.ASSIGNED, Phase.PENDING


@pytest.mark.parametrize(
    ("returned", "replacement", "stays"),
    [
        (READY, READY, "replacement"),
        (READY, STARTING, "returned"),
        (READY, PENDING, "returned"),
        (STARTING, READY, "replacement"),
        (STARTING, STARTING, "replacement"),
        (Phase.FAILED, PENDING, "replacement"),
    ],
)
def test_whichever_is_further_stays_and_at_a_tie_the_replacement(
    returned: Phase, replacement: Phase, stays: str
) -> None:
    pair = a_replica("returned", phase=returned), a_replica("replacement", phase=replacement)
    assert choose_survivor(*pair).replica_id == stays


def a_replaced_fleet() -> Fleet:
    """Node 1 was lost and its replica is being replaced on node 2."""
    fleet = a_fleet(nodes=2, replicas=2)
    for _ in range(90):
        fleet.now += 1.0
        fleet.hear("nod_02")
        fleet.step()
    assert fleet.phases() == [Phase.LOST, Phase.READY, Phase.ASSIGNED]
    return fleet


def test_a_lost_replica_stays_assigned_until_its_fate_is_settled() -> None:
    fleet = a_replaced_fleet()
    lost = fleet.replicas["rep_new_0001"]
    assert (lost.is_held, lost.desired) == (True, Desired.RUN)


def test_the_returned_engine_goes_when_the_replacement_is_ready() -> None:
    fleet = a_replaced_fleet()
    fleet.hear("nod_02")
    fleet.report_all()
    fleet.step()
    fleet.hear_all()
    fleet.step()
    returned, _, replacement = fleet.live()
    assert (returned.phase, returned.desired) == (READY, Desired.DRAIN)
    assert returned.desired_reason is Reason.SURVIVOR_ELSEWHERE
    assert replacement.desired is Desired.RUN
    fleet.report("nod_01", an_entry(returned, ObservedPhase.STOPPED))
    fleet.step()
    assert fleet.phases() == [READY, READY]


def test_the_returned_engine_stays_when_the_replacement_is_not_ready_yet() -> None:
    fleet = a_replaced_fleet()
    fleet.hear_all()
    fleet.step()
    returned, _, replacement = fleet.live()
    assert (returned.phase, returned.desired, returned.reason) == (READY, Desired.RUN, Reason.NODE_RETURNED)
    assert (replacement.desired, replacement.desired_reason) == (Desired.DRAIN, Reason.SURVIVOR_ELSEWHERE)


def test_a_node_that_returns_without_the_engine_leaves_the_replacement() -> None:
    fleet = a_replaced_fleet()
    fleet.hear_all()
    for _ in range(12):
        fleet.report("nod_01")
        fleet.hear_all()
        fleet.step(1.0)
    assert fleet.replicas["rep_new_0001"].phase is Phase.STOPPED
    assert [item.desired for item in fleet.live()] == [Desired.RUN, Desired.RUN]

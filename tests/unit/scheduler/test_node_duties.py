"""What people want of a node, and what is shown and concluded of it."""

from typing import Any

import pytest

from roundhouse_common.contracts.scheduler import NodeAdmission, Phase, Reason
from roundhouse_scheduler.domain import duties
from roundhouse_scheduler.domain.condition import Condition, condition_of
from roundhouse_scheduler.domain.errors import NodeHoldsReplicas, NodeIsRemoved
from roundhouse_scheduler.domain.plan import BrakeHeld
from roundhouse_scheduler.domain.records import NodeDuty, NodeState
from tests.support.scheduler import Fleet, a_deployment, a_fleet, a_node, a_replica


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({}, Condition.READY),
        ({"duty": NodeDuty.CORDONED}, Condition.CORDONED),
        ({"duty": NodeDuty.DRAINING}, Condition.DRAINING),
        ({"duty": NodeDuty.MAINTENANCE}, Condition.MAINTENANCE),
        ({"duty": NodeDuty.MAINTENANCE, "state": NodeState.UNREACHABLE}, Condition.MAINTENANCE),
        ({"is_shutting_down": True}, Condition.SHUTTING_DOWN),
        ({"state": NodeState.LATE, "duty": NodeDuty.CORDONED}, Condition.LATE),
        ({"state": NodeState.LATE, "is_given_up": True}, Condition.UNREACHABLE),
        ({"state": NodeState.UNREACHABLE}, Condition.UNREACHABLE),
        ({"admission": NodeAdmission.PENDING}, Condition.PENDING_APPROVAL),
        ({"admission": NodeAdmission.REMOVED, "state": NodeState.UNREACHABLE}, Condition.REMOVED),
    ],
)
def test_the_condition_is_one_word_for_all_that_is_known(node: dict[str, Any], expected: Condition) -> None:
    condition, why = condition_of(a_node(**node), left=0)
    assert condition is expected
    assert why


def test_a_cordon_ends_a_drain_where_it_is() -> None:
    node, event = duties.set_duty(a_node(duty=NodeDuty.DRAINING, duty_since=1.0), NodeDuty.CORDONED, reason="", at=2.0)
    assert (node.duty, node.duty_since, node.is_leaving) == (NodeDuty.CORDONED, 2.0, False)
    assert event is not None
    assert (event.before, event.after) == ("draining", "cordoned")


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase not in (Phase.LOST, Phase.STOPPED)])
def test_a_node_on_which_something_may_run_is_not_removed(phase: Phase) -> None:
    held = [a_replica(node_id="nod_1", phase=phase)]
    with pytest.raises(NodeHoldsReplicas, match="still holds 1 of chat; drain it first"):
        duties.remove(a_node(), held, {"dep_1": "chat"})


def test_what_was_lost_keeps_nobody_from_removing_a_node() -> None:
    node, event = duties.remove(a_node(), [a_replica(node_id="nod_1", phase=Phase.LOST)], {})
    assert node.admission is NodeAdmission.REMOVED
    assert event is not None
    with pytest.raises(NodeIsRemoved):
        duties.set_duty(node, NodeDuty.ACTIVE, reason="", at=0.0)


def test_what_was_lost_on_a_removed_node_has_ended() -> None:
    removed = a_node("nod_1", admission=NodeAdmission.REMOVED, state=NodeState.UNREACHABLE)
    fleet = Fleet().with_nodes(removed, a_node("nod_2")).with_deployment(a_deployment())
    fleet.with_replicas(a_replica("rep_1", node_id="nod_1", phase=Phase.LOST, reason=Reason.NODE_LOST))
    fleet.step()
    assert (fleet.replicas["rep_1"].phase, fleet.replicas["rep_1"].reason) == (Phase.STOPPED, Reason.NODE_REMOVED)
    assert [row.node_id for row in fleet.live()] == ["nod_2"]


def test_nothing_is_placed_on_a_removed_node_and_it_is_not_counted() -> None:
    fleet = Fleet().with_nodes(a_node("nod_1", admission=NodeAdmission.REMOVED)).with_deployment(a_deployment())
    fleet.step()
    assert (fleet.only().detail, fleet.only().rejections) == ("there is no node", ())


def test_the_silence_of_nodes_in_maintenance_holds_no_brake() -> None:
    fleet = a_fleet(nodes=5, replicas=1)
    (home,) = {row.node_id for row in fleet.live()}
    others = [node_id for node_id in fleet.nodes if node_id != home]
    for node_id in others[:3]:
        fleet.nodes[node_id] = a_node(node_id, duty=NodeDuty.MAINTENANCE)
    fleet.now += 60.0
    fleet.hear(home, others[3])
    plan = fleet.step()
    assert not plan.is_brake_held
    assert not any(isinstance(action, BrakeHeld) for action in plan.actions)


def test_beside_nodes_in_maintenance_the_brake_holds_as_ever() -> None:
    fleet = a_fleet(nodes=6, replicas=1)
    fleet.nodes["nod_01"] = a_node("nod_01", duty=NodeDuty.MAINTENANCE)
    fleet.now += 60.0
    fleet.hear("nod_05", "nod_06")
    assert fleet.step().is_brake_held

"""Replicas that fail again and again: on another node, at rest, and after somebody restarts their version."""

import msgspec
import pytest

from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_common.contracts.scheduler import Desired, Phase, Reason
from roundhouse_scheduler.domain.documents import assignments_of
from roundhouse_scheduler.domain.plan import FailureForgotten, FailureSeen, Moved, Noted
from roundhouse_scheduler.domain.records import Replica
from roundhouse_scheduler.domain.transitions import ReplicaEvent
from tests.support.scheduler import GIB, Fleet, a_fleet, a_node, an_entry, an_inventory


def change(fleet: Fleet, **changes: object) -> None:
    fleet.deployments["dep_1"] = msgspec.structs.replace(fleet.deployments["dep_1"], **changes)


def fail(fleet: Fleet, times: int = 1, *, pid: int = 0, reason: str = "start-failed") -> None:
    """The only replica fails wherever it is, so many times, each time after the pause before it."""
    for _ in range(times):
        wait(fleet)
        replica = fleet.only()
        entry = an_entry(replica, ObservedPhase.FAILED, pid=pid, reason=reason, detail="no such file")
        fleet.report(replica.node_id, entry)
        fleet.step()
    wait(fleet)


def wait(fleet: Fleet) -> None:
    """The longest pause passes, with every node heard."""
    fleet.now += fleet.rules.backoff_max_s
    fleet.hear_all()
    fleet.step()


def spent(fleet: Fleet) -> Replica:
    change(fleet, failure_budget=4)
    fail(fleet, 4)
    replica = fleet.only()
    assert replica.is_spent
    return replica


def test_a_replica_rests_when_it_has_failed_too_often_in_a_row() -> None:
    fleet = a_fleet()
    replica = spent(fleet)
    assert (replica.phase, replica.reason, replica.retry_at) == (Phase.FAILED, Reason.FAILURE_BUDGET_SPENT, None)
    assert replica.detail == (
        "it failed 4 times in a row and rests until `roundhouse versions restart dep_1 1`; "
        "last: start-failed: no such file"
    )
    attempt = replica.attempt
    for _ in range(10):
        wait(fleet)
    assert fleet.only().attempt == attempt


def test_a_replica_that_rests_holds_nothing_and_counts_as_present() -> None:
    fleet = a_fleet()
    replica = spent(fleet)
    node = fleet.nodes[replica.node_id]
    assert assignments_of(node, fleet.live(), fleet.deployments, fleet.versions).assignments == ()
    assert not replica.is_held
    assert fleet.step().new_replicas == ()


def test_its_room_is_free_for_others() -> None:
    small = an_inventory(memory_total_bytes=GIB, memory_available_bytes=GIB)
    fleet = Fleet().with_nodes(a_node("nod_01", inventory=small))
    fleet.with_deployment(a_fleet().deployments["dep_1"]).settle()
    spent(fleet)
    fleet.with_deployment(msgspec.structs.replace(fleet.deployments["dep_1"], deployment_id="dep_2", name="two"))
    fleet.step()
    assert [row.node_id for row in fleet.live() if row.deployment_id == "dep_2"] == ["nod_01"]


def test_a_restart_of_the_version_lets_it_look_for_a_node_again() -> None:
    fleet = a_fleet()
    replica = spent(fleet)
    change(fleet, restarts=1)
    fleet.step()
    again = fleet.only()
    assert (again.phase, again.is_spent, again.failures) == (Phase.ASSIGNED, False, 0)
    assert again.attempt == replica.attempt + 1
    assert fleet.deployments["dep_1"].restarts_done == 1
    assert FailureForgotten(version_id="ver_1") in fleet.actions
    assert [action.kind for action in fleet.actions if isinstance(action, Noted)] == ["restarts.cleared"]
    assert fleet.step().is_empty


def test_a_restart_ends_the_pause_of_one_that_does_not_rest_yet() -> None:
    fleet = a_fleet()
    for _ in range(2):
        fleet.report("nod_01", an_entry(fleet.only(), ObservedPhase.FAILED))
        fleet.now += 1.0
        fleet.hear_all()
        fleet.step()
    assert fleet.only().phase is Phase.FAILED
    change(fleet, restarts=1)
    fleet.step()
    assert (fleet.only().phase, fleet.only().failures) == (Phase.ASSIGNED, 0)


def test_a_replica_that_rests_and_is_not_wanted_any_more_ends_at_once() -> None:
    fleet = a_fleet()
    replica = spent(fleet)
    change(fleet, replicas=0)
    fleet.step()
    assert fleet.live() == []
    ended = fleet.replicas[replica.replica_id]
    assert (ended.phase, ended.desired, ended.reason) == (Phase.STOPPED, Desired.DRAIN, Reason.SCALED_DOWN)


def test_an_engine_that_lives_but_does_not_answer_is_started_afresh_rather_than_left_to_rest() -> None:
    fleet = a_fleet()
    change(fleet, failure_budget=2)
    fail(fleet, 3, pid=1000, reason="engine-unresponsive")
    assert not fleet.only().is_spent
    assert fleet.only().phase is Phase.ASSIGNED


def test_after_three_failures_in_a_row_on_one_node_another_is_tried() -> None:
    fleet = a_fleet(nodes=2)
    before = fleet.only()
    fail(fleet, 3)
    after = fleet.only()
    assert before.node_id != after.node_id
    assert (after.phase, after.failures, after.node_failures) == (Phase.ASSIGNED, 3, 0)
    assert after.attempt > before.attempt
    displaced = [a for a in fleet.actions if isinstance(a, Moved) and a.event is ReplicaEvent.DISPLACED]
    assert [action.detail for action in displaced] == [
        f"it failed 3 times in a row on {before.node_id}: another node is tried first"
    ]


def test_where_no_other_node_fits_it_stays() -> None:
    fleet = a_fleet(nodes=1)
    fail(fleet, 3)
    replica = fleet.only()
    assert (replica.phase, replica.node_id, replica.attempt) == (Phase.ASSIGNED, "nod_01", 4)


def test_it_may_come_back_after_failing_elsewhere() -> None:
    fleet = a_fleet(nodes=2)
    home = fleet.only().node_id
    fail(fleet, 6)
    assert fleet.only().phase is Phase.ASSIGNED
    assert fleet.only().node_id in fleet.nodes
    assert {refusal.node_id for refusal in fleet.only().refusals} <= {home, fleet.only().node_id, "nod_01", "nod_02"}


@pytest.mark.contract("B02")
def test_the_first_error_of_a_series_is_kept_with_its_log() -> None:
    fleet = a_fleet()
    for number in range(3):
        tail = (f"line {number}",)
        entry = an_entry(fleet.only(), ObservedPhase.FAILED, reason="start-failed", detail="why", log_tail=tail)
        fleet.report("nod_01", entry)
        fleet.step()
        wait(fleet)
    (seen,) = [action for action in fleet.actions if isinstance(action, FailureSeen)]
    assert (seen.failure.reason, seen.failure.detail) == (Reason.START_FAILED, "why")
    assert seen.failure.log_tail == ("line 0",)


def test_an_error_long_after_the_last_one_is_the_first_of_another_series() -> None:
    fleet = a_fleet()
    for _ in range(2):
        fleet.report("nod_01", an_entry(fleet.only(), ObservedPhase.FAILED))
        fleet.step()
        fleet.report_all()
        fleet.step()
        fleet.now += fleet.rules.forget_failures_after_s
        fleet.hear_all()
    assert sum(1 for action in fleet.actions if isinstance(action, FailureSeen)) == 2

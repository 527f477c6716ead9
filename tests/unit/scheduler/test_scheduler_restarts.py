"""Failed engines start again on the same node: at once, then with growing pauses."""

import msgspec

from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_common.contracts.scheduler import Desired, Phase, Reason
from roundhouse_scheduler.domain.plan import Moved
from roundhouse_scheduler.domain.restarts import backoff_s
from roundhouse_scheduler.domain.rules import Rules
from tests.support.scheduler import Fleet, a_fleet, an_entry


def fail(fleet: Fleet, **changes: object) -> None:
    fleet.hear_all()
    fleet.report("nod_01", an_entry(fleet.only(), ObservedPhase.FAILED, **changes))
    fleet.step()


def test_pauses_double_up_to_a_minute() -> None:
    assert [backoff_s(n, Rules()) for n in range(1, 11)] == [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_the_first_failure_is_restarted_at_once_with_its_reason_shown() -> None:
    fleet = a_fleet()
    fail(fleet, reason="engine-exited", detail="killed by signal 9", log_tail=("Killed",))
    replica = fleet.only()
    assert (replica.phase, replica.attempt, replica.reason) == (Phase.ASSIGNED, 2, Reason.ENGINE_EXITED)
    assert "killed by signal 9" in replica.detail
    assert (Phase.READY, Phase.FAILED) in [(a.before, a.after) for a in fleet.actions if isinstance(a, Moved)]
    fleet.report_all()
    fleet.step()
    assert fleet.only().phase is Phase.READY
    assert "killed by signal 9" in fleet.only().detail


def test_the_second_failure_waits() -> None:
    fleet = a_fleet()
    fail(fleet)
    fail(fleet, reason="start-failed", detail="the model file is not a GGUF")
    assert (fleet.only().phase, fleet.only().reason) == (Phase.FAILED, Reason.RESTART_BACKOFF)
    assert "the model file is not a GGUF" in fleet.only().detail
    plan = fleet.step(0.5)
    assert fleet.only().phase is Phase.FAILED
    assert plan.look_again_at == fleet.now + 0.5
    fleet.step(0.5)
    assert (fleet.only().phase, fleet.only().attempt) == (Phase.ASSIGNED, 3)


def test_an_engine_that_the_nodes_operator_stopped_starts_at_once_and_is_no_failure() -> None:
    fleet = a_fleet()
    for attempt in (2, 3, 4):
        fail(fleet, reason="node-shutdown", detail="it was stopped")
        assert (fleet.only().phase, fleet.only().attempt, fleet.only().failures) == (Phase.ASSIGNED, attempt, 0)
        fleet.report_all()
        fleet.step()


def test_failures_are_forgotten_after_five_minutes_ready() -> None:
    fleet = a_fleet()
    fail(fleet)
    fail(fleet)
    fleet.step(1.0)
    fleet.hear_all()
    fleet.report_all()
    fleet.step()
    fleet.now += fleet.rules.forget_failures_after_s
    fail(fleet)
    assert (fleet.only().failures, fleet.only().phase) == (1, Phase.ASSIGNED)


def test_the_report_of_an_earlier_attempt_is_not_a_new_failure() -> None:
    fleet = a_fleet()
    fail(fleet)
    for _ in range(3):
        fleet.step(1.0)
    assert (fleet.only().attempt, fleet.only().failures) == (2, 1)


def test_a_record_from_an_older_copy_takes_over_the_attempt_that_its_node_is_at() -> None:
    fleet = a_fleet()
    later = msgspec.structs.replace(fleet.only(), attempt=3)
    fleet.report("nod_01", an_entry(later, ObservedPhase.READY))
    fleet.step()
    assert (fleet.only().phase, fleet.only().attempt) == (Phase.READY, 3)

    fleet.report("nod_01", an_entry(later, ObservedPhase.FAILED))
    fleet.step()
    assert fleet.only().attempt == 4


def test_an_engine_that_does_not_answer_gets_time_before_it_is_restarted() -> None:
    fleet = a_fleet()
    fail(fleet, reason="engine-unresponsive")
    fleet.step(fleet.rules.unresponsive_patience_s - 20.0)
    assert (fleet.only().phase, fleet.only().attempt) == (Phase.FAILED, 1)
    fleet.hear_all()
    fleet.report_all()
    fleet.step()
    assert (fleet.only().phase, fleet.only().attempt) == (Phase.READY, 1)


def test_a_failed_engine_that_should_stop_has_stopped() -> None:
    fleet = a_fleet()
    replica = fleet.only()
    fleet.with_replicas(msgspec.structs.replace(replica, desired=Desired.DRAIN))
    fleet.report("nod_01", an_entry(replica, ObservedPhase.FAILED))
    fleet.step()
    assert fleet.replicas[replica.replica_id].phase is Phase.STOPPED


def test_an_engine_its_node_does_not_have_any_more_is_restarted_on_the_second_look() -> None:
    fleet = a_fleet()
    fleet.report("nod_01")
    fleet.step()
    assert fleet.only().attempt == 1
    fleet.step(fleet.rules.second_look_s)
    assert (fleet.only().phase, fleet.only().attempt) == (Phase.ASSIGNED, 2)


def test_replicas_leave_a_node_that_is_shutting_down_once_their_engine_is_down() -> None:
    fleet = a_fleet(nodes=2)
    replica = fleet.only()
    assert replica.node_id == "nod_01"
    fleet.report("nod_01", an_entry(replica, ObservedPhase.READY), is_shutting_down=True)
    fleet.step()
    assert fleet.only().phase is Phase.READY
    stopped = an_entry(replica, ObservedPhase.STOPPED, reason="node-shutdown")
    fleet.report("nod_01", stopped, is_shutting_down=True)
    fleet.step()
    assert (fleet.only().phase, fleet.only().node_id) == (Phase.ASSIGNED, "nod_02")

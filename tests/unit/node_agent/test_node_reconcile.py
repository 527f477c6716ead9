"""What an agent does about the difference between what is wanted and what runs."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_common.contracts.scheduler import Assignment, Desired, NodeAssignments, Reason
from roundhouse_node_agent.domain.reconcile import (
    CancelDrain,
    Drain,
    Forget,
    Settle,
    Start,
    Stop,
    decide,
    is_newer,
)
from roundhouse_node_agent.domain.replica import Replica
from tests.support.node_values import a_replica
from tests.support.scheduler_stub import an_assignment


def document(*assignments: Assignment, revision: int = 1, epoch: int = 1) -> NodeAssignments:
    return NodeAssignments(node_id="nod_1", epoch=epoch, revision=revision, assignments=assignments)


def observed(*replicas: Replica) -> dict[str, Replica]:
    return {replica.replica_id: replica for replica in replicas}


def ready(**changes: Any) -> Replica:
    return a_replica(ObservedPhase.READY, **changes)


def drained(**changes: Any) -> Assignment:
    return an_assignment(desired=Desired.DRAIN, reason=Reason.SCALED_DOWN, **changes)


def test_nothing_known_to_be_wanted_is_no_order() -> None:
    assert decide(None, observed(ready()), None).actions == ()


def test_what_is_wanted_and_not_here_is_started_without_a_second_look() -> None:
    assert decide(document(an_assignment()), {}, None).actions == (Start(assignment=an_assignment()),)


@pytest.mark.parametrize("unsettled", ["the first look", "the second look"])
def test_an_engine_that_is_unlisted_runs_on_while_the_scheduler_has_not_judged_it(unsettled: str) -> None:
    first, second = document(), document()
    if unsettled == "the first look":
        first = msgspec.structs.replace(first, is_settled=False)
    else:
        second = msgspec.structs.replace(second, is_settled=False)
    assert decide(first, observed(ready()), second).actions == ()
    assert decide(document(), observed(ready()), document()).actions != ()


def test_what_is_listed_as_unwanted_goes_also_while_other_engines_are_not_judged() -> None:
    listed = msgspec.structs.replace(document(drained()), is_settled=False)
    assert [type(item) for item in decide(listed, observed(ready()), listed).actions] == [Drain]


def test_an_attempt_is_started_once() -> None:
    failed = a_replica(ObservedPhase.FAILED, is_over=True)
    assert decide(document(an_assignment()), observed(failed), None).actions == ()
    newer = an_assignment(attempt=2)
    assert decide(document(newer), observed(failed), None).actions == (Start(assignment=newer),)


def test_a_running_engine_is_not_drained_on_one_look() -> None:
    plan = decide(document(drained()), observed(ready()), None)
    assert (plan.actions, plan.unconfirmed) == ((), ("rep_1",))


def test_a_confirmed_drain_begins() -> None:
    wanted = document(drained())
    plan = decide(wanted, observed(ready()), wanted)
    assert plan.actions == (Drain(replica_id="rep_1", reason=Reason.SCALED_DOWN, detail=""),)


@pytest.mark.parametrize(
    "second",
    [
        document(an_assignment(), revision=2),
        document(drained(), revision=0),
        document(drained(), revision=2, epoch=2),
    ],
    ids=["wants it to run", "is older than the first", "is of another epoch"],
)
def test_a_second_look_that_does_not_agree_stops_nothing(second: NodeAssignments) -> None:
    plan = decide(document(drained()), observed(ready()), second)
    assert plan.actions == ()


def test_an_engine_that_is_assigned_no_more_is_drained_once_confirmed() -> None:
    plan = decide(document(), observed(ready()), document())
    assert [type(action) for action in plan.actions] == [Drain]


def test_an_engine_that_is_not_ready_holds_no_request_and_is_stopped_at_once() -> None:
    starting = a_replica(ObservedPhase.STARTING)
    plan = decide(document(drained()), observed(starting), document(drained()))
    assert plan.actions == (Stop(replica_id="rep_1", reason=Reason.SCALED_DOWN),)


def test_a_new_attempt_replaces_a_running_engine_only_when_confirmed() -> None:
    wanted = document(an_assignment(attempt=2))
    hung = a_replica(ObservedPhase.FAILED)
    assert decide(wanted, observed(hung), None).unconfirmed == ("rep_1",)
    assert decide(wanted, observed(hung), wanted).actions == (Stop(replica_id="rep_1", reason=Reason.PLACED),)


def test_a_drain_is_cancelled_when_it_is_wanted_again() -> None:
    draining = a_replica(ObservedPhase.DRAINING)
    assert decide(document(an_assignment()), observed(draining), None).actions == (CancelDrain(replica_id="rep_1"),)


def test_an_engine_that_was_told_to_end_is_left_to_end() -> None:
    stopping = a_replica(ObservedPhase.DRAINING, stop_reason=Reason.DRAINED)
    for wanted in (document(), document(an_assignment()), document(drained())):
        assert decide(wanted, observed(stopping), wanted).actions == ()


def test_a_stop_for_what_never_ran_here_is_answered() -> None:
    assert decide(document(drained()), {}, None).actions == (Settle(assignment=drained()),)


def test_an_ended_replica_is_forgotten_only_when_it_is_assigned_no_more() -> None:
    stopped = a_replica(ObservedPhase.STOPPED, is_over=True)
    assert decide(document(drained()), observed(stopped), None).actions == ()
    assert decide(document(), observed(stopped), None).actions == (Forget(replica_id="rep_1"),)


def test_a_wish_this_agent_does_not_understand_changes_nothing() -> None:
    unknown = document(an_assignment(desired=Desired.UNKNOWN))
    assert decide(unknown, observed(ready()), unknown).actions == ()


@given(
    desired=st.sampled_from([None, *Desired]),
    phase=st.sampled_from(list(ObservedPhase)),
    attempts=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    is_over=st.booleans(),
    second=st.sampled_from([None, *Desired]),
)
def test_without_agreement_no_running_engine_is_ever_drained_or_stopped(
    desired: Desired | None, phase: ObservedPhase, attempts: tuple[int, int], is_over: bool, second: Desired | None
) -> None:
    wanted = document(*([an_assignment(desired=desired, attempt=attempts[0])] if desired else []), revision=2)
    confirmed = document(*([an_assignment(desired=second, attempt=attempts[1])] if second else []), revision=2)
    replica = a_replica(phase, attempt=attempts[1], is_over=is_over)
    for look in (None, confirmed):
        for action in decide(wanted, observed(replica), look).actions:
            if isinstance(action, Drain | Stop):
                assert look is not None
                assert second in (None, Desired.DRAIN, Desired.STOP)
                assert replica.is_active


def test_deciding_again_after_acting_finds_nothing_new_to_destroy() -> None:
    draining = a_replica(ObservedPhase.DRAINING)
    for wanted in (document(), document(drained())):
        assert decide(wanted, observed(draining), wanted).actions == ()


@pytest.mark.parametrize(
    ("offered", "current", "newer"),
    [
        (document(revision=3), None, True),
        (document(revision=3), document(revision=3), True),
        (document(revision=2), document(revision=3), False),
        (document(revision=2, epoch=2), document(revision=3), False),
        (document(revision=1), document(revision=9, epoch=0), True),
    ],
)
def test_documents_of_another_epoch_or_an_older_revision_are_not_taken(
    offered: NodeAssignments, current: NodeAssignments | None, newer: bool
) -> None:
    assert is_newer(offered, current, node_id="nod_1", epoch=1) is newer


def test_documents_of_another_node_are_not_taken() -> None:
    assert not is_newer(document(), None, node_id="nod_2", epoch=1)


def test_replicas_are_treated_independently_of_each_other() -> None:
    names = ("rep_a", "rep_b", "rep_c")
    wanted = document(*[an_assignment(name) for name in names])
    for here in itertools.chain.from_iterable(itertools.combinations(names, n) for n in range(4)):
        replicas = observed(*[a_replica(ObservedPhase.READY, replica_id=name) for name in here])
        started = {
            action.assignment.replica_id
            for action in decide(wanted, replicas, None).actions
            if isinstance(action, Start)
        }
        assert started == set(names) - set(here)

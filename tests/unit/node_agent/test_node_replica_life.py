"""The table of a replica's life on its node: every event in every phase."""

from dataclasses import replace

import pytest

from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_common.contracts.scheduler import Reason
from roundhouse_common.runtime import UnixTime
from roundhouse_node_agent.domain.replica import (
    DrainBegun,
    DrainCancelled,
    EngineAwaited,
    EngineInstalled,
    EngineReady,
    EngineResponsive,
    EngineUnresponsive,
    Event,
    Exited,
    Launched,
    Replica,
    StartRefused,
    StartTimedOut,
    StopBegun,
    adopted,
    advance,
    begin,
)
from roundhouse_node_agent.domain.report import reports_of
from tests.support.node_values import T0, a_run, an_exit
from tests.support.scheduler_stub import an_assignment

LATER = UnixTime(T0 + 10)
P = ObservedPhase

LAUNCHING = begin(an_assignment(), T0)
STARTING = advance(LAUNCHING, Launched(run=a_run()), T0)
READY = advance(STARTING, EngineReady(at=T0), T0)
UNRESPONSIVE = advance(READY, EngineUnresponsive(detail="silent"), T0)
DRAINING = advance(READY, DrainBegun(reason=Reason.SCALED_DOWN), T0)
STOPPING = advance(DRAINING, StopBegun(reason=Reason.DRAINED), T0)
STOPPED = advance(STOPPING, Exited(ended=an_exit(code=0, stop_reason=Reason.DRAINED)), T0)
FAILED = advance(READY, Exited(ended=an_exit()), T0)
REJECTED = advance(LAUNCHING, StartRefused(reason=Reason.NODE_REJECTED, detail="too large"), T0)
STATES = {
    "launching": LAUNCHING,
    "starting": STARTING,
    "ready": READY,
    "unresponsive": UNRESPONSIVE,
    "draining": DRAINING,
    "stopping": STOPPING,
    "stopped": STOPPED,
    "failed": FAILED,
    "rejected": REJECTED,
}
EVENTS: dict[str, Event] = {
    "engine awaited": EngineAwaited(detail="vllm is being installed"),
    "engine installed": EngineInstalled(),
    "launched": Launched(run=a_run()),
    "ready": EngineReady(at=LATER),
    "refused": StartRefused(reason=Reason.MODEL_UNAVAILABLE, detail="no file"),
    "timed out": StartTimedOut(detail="slow"),
    "unresponsive": EngineUnresponsive(detail="silent"),
    "responsive": EngineResponsive(),
    "drain": DrainBegun(reason=Reason.SCALED_DOWN),
    "cancel drain": DrainCancelled(),
    "stop": StopBegun(reason=Reason.DEPLOYMENT_STOPPED),
    "exited": Exited(ended=an_exit()),
}
CHANGES = {
    ("launching", "engine awaited"): P.FETCHING,
    ("launching", "engine installed"): P.FETCHING,
    ("launching", "launched"): P.STARTING,
    ("launching", "refused"): P.FAILED,
    ("launching", "stop"): P.DRAINING,
    ("starting", "launched"): P.STARTING,
    ("starting", "ready"): P.READY,
    ("starting", "timed out"): P.FAILED,
    ("starting", "stop"): P.DRAINING,
    ("starting", "exited"): P.FAILED,
    ("ready", "unresponsive"): P.FAILED,
    ("ready", "drain"): P.DRAINING,
    ("ready", "stop"): P.DRAINING,
    ("ready", "exited"): P.FAILED,
    ("unresponsive", "responsive"): P.READY,
    ("unresponsive", "stop"): P.FAILED,
    ("unresponsive", "exited"): P.FAILED,
    ("draining", "cancel drain"): P.READY,
    ("draining", "stop"): P.DRAINING,
    ("draining", "exited"): P.STOPPED,
    ("stopping", "exited"): P.STOPPED,
}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", STATES)
def test_every_event_in_every_state_leads_where_the_table_says_or_nowhere(state: str, event: str) -> None:
    before = STATES[state]
    after = advance(before, EVENTS[event], LATER)
    if (state, event) in CHANGES:
        assert after.phase is CHANGES[state, event]
        assert after != before
    else:
        assert after is before


@pytest.mark.parametrize("state", ["stopped", "failed", "rejected"])
def test_what_is_over_stays_over(state: str) -> None:
    for event in EVENTS.values():
        assert not advance(STATES[state], event, LATER).is_active


def test_an_end_that_was_asked_for_is_no_failure() -> None:
    assert (STOPPED.phase, STOPPED.reason) == (P.STOPPED, Reason.DRAINED)


def test_an_end_while_starting_is_a_failed_start_and_later_a_failed_engine() -> None:
    assert advance(STARTING, Exited(ended=an_exit()), LATER).reason is Reason.START_FAILED
    assert FAILED.reason is Reason.ENGINE_EXITED


def test_a_stop_during_the_launch_ends_what_was_launched_meanwhile() -> None:
    stopped = advance(LAUNCHING, StopBegun(reason=Reason.SCALED_DOWN), LATER)
    launched = advance(stopped, Launched(run=a_run()), LATER)
    assert launched.is_stopping
    refused = advance(stopped, StartRefused(reason=Reason.STOPPED_AS_ASKED, detail=""), LATER)
    assert (refused.phase, refused.reason) == (P.STOPPED, Reason.SCALED_DOWN)


def test_an_unresponsive_engine_that_was_told_to_end_stays_failed() -> None:
    told = advance(UNRESPONSIVE, StopBegun(reason=Reason.PLACED), LATER)
    assert told.is_stopping
    assert advance(told, EngineResponsive(), LATER).phase is P.FAILED
    assert advance(told, Exited(ended=an_exit()), LATER).reason is Reason.ENGINE_UNRESPONSIVE


@pytest.mark.parametrize(
    ("replica", "phase", "reason"),
    [
        (adopted(a_run(), LATER), P.STARTING, Reason.ENGINE_STARTING),
        (adopted(a_run(ready_at=T0), LATER), P.READY, Reason.ENGINE_READY),
        (adopted(a_run(ready_at=T0, stop_reason=Reason.DRAINED), LATER), P.DRAINING, Reason.DRAINED),
        (adopted(a_run(ended=an_exit()), LATER), P.FAILED, Reason.START_FAILED),
        (adopted(a_run(ready_at=T0, ended=an_exit()), LATER), P.FAILED, Reason.ENGINE_EXITED),
        (
            adopted(a_run(ready_at=T0, ended=an_exit(stop_reason=Reason.NODE_SHUTDOWN)), LATER),
            P.STOPPED,
            Reason.NODE_SHUTDOWN,
        ),
    ],
)
def test_what_a_former_agent_left_is_taken_up_where_it_is(replica: Replica, phase: P, reason: Reason) -> None:
    assert (replica.phase, replica.reason) == (phase, reason)


def test_only_a_serving_replica_may_hold_requests() -> None:
    serving = {name for name, replica in STATES.items() if replica.is_serving}
    assert serving == {"ready", "draining", "stopping"}


def test_an_event_of_an_earlier_attempt_is_not_taken() -> None:
    newer = replace(LAUNCHING, assignment=an_assignment(attempt=2))
    assert advance(newer, Launched(run=a_run(attempt=1)), LATER) is newer


def test_a_replica_says_that_its_engine_is_installed_and_then_that_files_are_fetched() -> None:
    installing = advance(LAUNCHING, EngineAwaited(detail="vllm is being installed"), LATER)
    fetching = advance(installing, EngineInstalled(), LATER)

    assert (installing.phase, installing.reason) == (P.FETCHING, Reason.INSTALLING_ENGINE)
    assert (fetching.phase, fetching.reason) == (P.FETCHING, Reason.FETCHING_MODEL)


def test_why_no_engine_could_be_installed_is_told_with_the_lines_of_its_log() -> None:
    refused = StartRefused(reason=Reason.ENGINE_UNAVAILABLE, detail="no such version", lines=("error: none",))

    told = reports_of([advance(LAUNCHING, refused, LATER)])[0]

    assert (told.phase, told.reason, told.log_tail) == (P.FAILED, "engine-unavailable", ("error: none",))

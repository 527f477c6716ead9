"""What an agent tells of its engines' own counts."""

from dataclasses import replace

import pytest

from roundhouse_common.contracts.node import EngineCounters
from roundhouse_common.contracts.scheduler import GangMembership
from roundhouse_common.runtime import UnixTime
from roundhouse_node_agent.domain.engine_run import EngineRun, EngineSample
from roundhouse_node_agent.domain.token_counters import TokenCounters
from tests.support.scheduler_stub import an_assignment

DAY_S = 86_400.0


def a_run(attempt: int = 1, launch: int = 1) -> EngineRun:
    return EngineRun(
        replica_id="rep_1",
        attempt=attempt,
        launch=launch,
        assignment=an_assignment(),
        epoch=1,
        pid=7,
        port=9000,
        base_url="http://127.0.0.1:9000",
        started_at=UnixTime(100.0),
    )


def counted(read: float | None, written: float | None, cached: float | None = None) -> EngineSample:
    return EngineSample(
        running=0,
        waiting=0,
        input_tokens_total=read,
        cached_input_tokens_total=cached,
        output_tokens_total=written,
    )


def told(counters: TokenCounters, now: float = 200.0) -> list[EngineCounters]:
    return list(counters.told(UnixTime(now)))


@pytest.mark.contract("F02")
def test_the_last_reading_of_a_run_is_told() -> None:
    counters = TokenCounters()
    counters.note(a_run(), counted(10.0, 4.0, 3.0), UnixTime(110.0))
    counters.note(a_run(), counted(30.0, 9.0, 8.0), UnixTime(112.0))
    counters.note(a_run(), None, UnixTime(114.0))
    (one,) = told(counters)
    assert (one.replica_id, one.deployment_id, one.attempt, one.launch) == ("rep_1", "dep_1", 1, 1)
    assert (one.started_at, one.read_at, one.ended_at) == (100.0, 112.0, 0.0)
    assert (one.input_tokens, one.cached_input_tokens, one.output_tokens) == (30, 8, 9)


def test_an_engine_without_counters_is_told_as_one_that_does_not_tell() -> None:
    counters = TokenCounters()
    counters.note(a_run(), None, UnixTime(110.0))
    (one,) = told(counters)
    assert (one.input_tokens, one.cached_input_tokens, one.output_tokens) == (-1, -1, -1)


def test_what_ended_is_told_for_a_day_beside_the_next_run() -> None:
    counters = TokenCounters()
    counters.note(a_run(), counted(10.0, 4.0), UnixTime(110.0))
    counters.end(a_run(), UnixTime(120.0))
    counters.note(a_run(), counted(0.0, 0.0), UnixTime(121.0))
    counters.note(a_run(attempt=2), counted(0.0, 0.0), UnixTime(130.0))
    found = {(one.attempt, one.ended_at, one.output_tokens) for one in told(counters)}
    assert found == {(1, 120.0, 4), (2, 0.0, 0)}
    assert [one.attempt for one in told(counters, 120.0 + DAY_S + 1)] == [2]


def test_what_ended_is_told_by_the_agents_next_life() -> None:
    counters, after = TokenCounters(), TokenCounters()
    counters.note(a_run(), counted(10.0, 4.0), UnixTime(110.0))
    was_kept = counters.is_kept
    counters.end(a_run(), UnixTime(120.0))
    assert (was_kept, counters.is_kept) == (True, False)
    after.take_up(counters.ended)
    assert [(one.ended_at, one.output_tokens) for one in told(after)] == [(120.0, 4)]


def test_a_run_that_was_never_read_ends_untold() -> None:
    counters = TokenCounters()
    counters.end(a_run(), UnixTime(120.0))
    assert told(counters) == []


def test_members_of_a_gang_beside_its_head_are_not_told() -> None:
    counters = TokenCounters()
    gang = GangMembership(gang_id="rep_0", epoch=1, rank=1, size=2, address="10.0.0.1", port=9)
    run = a_run()
    counters.note(replace(run, assignment=an_assignment(gang=gang)), counted(1.0, 1.0), UnixTime(110.0))
    assert told(counters) == []

"""The small parts of the bus: subjects, changes, owned tasks, delays."""

import asyncio
import contextlib

import pytest

from roundhouse_common.bus.changes import Changes
from roundhouse_common.bus.memory_stream import subject_matches
from roundhouse_common.bus.tasks import OwnedTasks, backoff_s, keeping_cancellation
from roundhouse_common.contracts.generate.subjects import any_subject, subject_of
from roundhouse_common.contracts.registry import HEARTBEAT, LOG_LINE
from tests.support.eventually import eventually


@pytest.mark.parametrize(
    ("pattern", "subject", "matches"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.c", False),
        ("a.b", "a.b.c", False),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.*.c", "a.b.c", True),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        (">", "a", True),
        ("$KV.keys.>", "$KV.keys.key_1", True),
        ("$KV.keys.>", "$KV.keysother.key_1", False),
    ],
)
def test_subjects_match_as_on_nats(pattern: str, subject: str, matches: bool) -> None:
    assert subject_matches(pattern, subject) is matches


def test_a_subject_needs_all_its_identifiers() -> None:
    assert subject_of(LOG_LINE, ("nod_a", "rep_1")) == "rh.log.v1.node-agent.replica.line.nod_a.rep_1"
    with pytest.raises(ValueError, match="takes 2 identifier"):
        subject_of(LOG_LINE, ("nod_a",))
    with pytest.raises(ValueError, match="takes 1 identifier"):
        subject_of(HEARTBEAT, ("nod_a", "rep_1"))


def test_missing_identifiers_of_a_subscription_match_any() -> None:
    assert any_subject(LOG_LINE) == "rh.log.v1.node-agent.replica.line.*.*"
    assert any_subject(LOG_LINE, ("nod_a",)) == "rh.log.v1.node-agent.replica.line.nod_a.*"
    assert any_subject(LOG_LINE, ("*", "rep_1")) == "rh.log.v1.node-agent.replica.line.*.rep_1"
    with pytest.raises(ValueError, match="part of a subject"):
        any_subject(LOG_LINE, (">",))


def test_delays_double_up_to_a_ceiling() -> None:
    assert [backoff_s(failures, first_s=0.1, most_s=1.0) for failures in (1, 2, 3, 4, 5, 5000)] == [
        0.1,
        0.2,
        0.4,
        0.8,
        1.0,
        1.0,
    ]


async def test_a_reader_that_is_too_slow_is_told_that_changes_are_missing() -> None:
    changes: Changes[int] = Changes()
    for number in range(10_000):
        changes.push(number)

    seen = [await anext(changes)]
    while seen[-1] != 9_999:
        seen.append(await anext(changes))

    assert seen[0] is None
    assert seen[1:] == list(range(10_000 - len(seen) + 1, 10_000))


async def test_owned_tasks_run_side_by_side_up_to_the_limit_and_end_with_their_owner() -> None:
    tasks = OwnedTasks(limit=2)
    running, ended = [], []

    async def work(number: int) -> None:
        running.append(number)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    await tasks.start("one", work(1))
    await tasks.start("two", work(2))
    third = asyncio.ensure_future(tasks.start("three", work(3)))
    await eventually(lambda: running == [1, 2])
    assert not third.done()
    third.cancel()
    await asyncio.gather(third, return_exceptions=True)
    await tasks.close()

    assert sorted(ended) == [1, 2]
    assert running == [1, 2]


async def test_a_swallowed_cancellation_is_raised_again() -> None:
    went_on = False

    async def swallows() -> None:
        nonlocal went_on
        with keeping_cancellation(), contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        went_on = True

    task = asyncio.ensure_future(swallows())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert task.cancelled()
    assert not went_on

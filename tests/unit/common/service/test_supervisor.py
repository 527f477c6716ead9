"""Loops are kept running; only the owner's cancellation ends them."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import structlog
from prometheus_client import CollectorRegistry

from roundhouse_common.errors import Unavailable
from roundhouse_common.runtime import UnixTime
from roundhouse_common.service.supervisor import Supervisor
from tests.support.eventually import eventually


class SteppedClock:
    """Moves only when told."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> UnixTime:
        return UnixTime(self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class Harness:
    def __init__(self, *, first_delay_s: float = 0.0) -> None:
        self.clock = SteppedClock()
        self.registry = CollectorRegistry()
        self.supervisor = Supervisor(
            clock=self.clock, rng=random.Random(1), registry=self.registry, first_delay_s=first_delay_s
        )

    @property
    def crashes(self) -> float | None:
        return self.registry.get_sample_value("roundhouse_loop_crashes_total", {"loop": "test"})

    @asynccontextmanager
    async def running(self, run: Callable[[], Awaitable[None]]) -> AsyncIterator[asyncio.Task[None]]:
        task: asyncio.Task[None] = asyncio.create_task(self.supervisor.keep_running("test", run))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait([task])


async def test_crashed_loop_is_logged_counted_and_started_again() -> None:
    harness = Harness()
    runs = 0

    async def crash_twice() -> None:
        nonlocal runs
        runs += 1
        if runs <= 2:
            raise ValueError("broken")
        await asyncio.Event().wait()

    with structlog.testing.capture_logs() as logs:
        async with harness.running(crash_twice):
            await eventually(lambda: runs == 3)
    assert harness.crashes == 2
    assert [(entry["event"], entry["log_level"], entry["loop"]) for entry in logs] == [
        ("loop_crashed", "error", "test")
    ] * 2


async def test_loop_that_lost_a_dependency_is_a_warning_without_traceback() -> None:
    harness = Harness()

    async def lose_bus() -> None:
        raise Unavailable("away")

    with structlog.testing.capture_logs() as logs:
        async with harness.running(lose_bus):
            await eventually(lambda: (harness.crashes or 0) >= 1)
    assert logs[0]["log_level"] == "warning"
    assert "exc_info" not in logs[0]


@pytest.mark.parametrize(
    ("problems", "level"),
    [
        ([Unavailable("away"), Unavailable("also")], "warning"),
        ([Unavailable("away"), ValueError("broken")], "error"),
    ],
)
async def test_a_loop_of_several_tasks_is_interrupted_only_when_each_of_them_was(
    problems: list[Exception], level: str
) -> None:
    harness = Harness()

    async def lose_several() -> None:
        raise ExceptionGroup("unhandled errors in a TaskGroup", problems)

    with structlog.testing.capture_logs() as logs:
        async with harness.running(lose_several):
            await eventually(lambda: (harness.crashes or 0) >= 1)
    assert logs[0]["log_level"] == level


async def test_loop_that_returns_is_started_again() -> None:
    harness = Harness()
    runs = 0

    async def stop_working() -> None:
        nonlocal runs
        runs += 1

    async with harness.running(stop_working):
        await eventually(lambda: runs >= 3)


async def test_cancelling_the_supervised_task_ends_the_loop() -> None:
    harness = Harness()
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cleaned up")
            raise

    async with harness.running(work) as task:
        await asyncio.sleep(0)
    assert task.cancelled()
    assert ended == ["cleaned up"]
    assert harness.crashes == 0


async def test_cancellation_of_something_the_loop_waited_for_does_not_end_the_loop() -> None:
    harness = Harness()
    runs = 0

    async def wait_for_a_cancelled_helper() -> None:
        nonlocal runs
        runs += 1
        helper = asyncio.get_running_loop().create_future()
        helper.cancel()
        await helper

    async with harness.running(wait_for_a_cancelled_helper) as task:
        await eventually(lambda: runs >= 3)
        assert not task.done()


@pytest.mark.parametrize(
    ("failures", "longest_s"), [(1, 0.1), (2, 0.2), (3, 0.4), (7, 6.4), (8, 10.0), (100, 10.0), (10_000, 10.0)]
)
def test_delay_doubles_to_ten_seconds_and_jitters_down_to_a_half(failures: int, longest_s: float) -> None:
    supervisor = Harness(first_delay_s=0.1).supervisor
    delays = [supervisor.delay_s(failures) for _ in range(200)]
    assert longest_s / 2 <= min(delays) < max(delays) <= longest_s


async def test_loop_that_ran_well_for_a_while_starts_over_with_the_shortest_delay() -> None:
    harness = Harness()
    runs = 0

    async def crash_late() -> None:
        nonlocal runs
        runs += 1
        harness.clock.seconds += 60
        raise ValueError("broken")

    with structlog.testing.capture_logs() as logs:
        async with harness.running(crash_late):
            await eventually(lambda: runs >= 4)
    assert {entry["failures"] for entry in logs} == {1}

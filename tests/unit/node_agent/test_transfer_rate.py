"""A limit holds over any stretch of time; the rate is that of the last seconds."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_node_agent.transfers.rate import Gauge, RateLimit
from tests.support.hand_clock import HandClock


async def test_without_a_limit_nobody_waits() -> None:
    clock = HandClock()
    limit = RateLimit(0, clock=clock, sleep=clock.sleep)
    await limit.take(10**12)
    assert clock.slept == []


async def test_what_was_received_beyond_the_limit_is_waited_for() -> None:
    clock = HandClock()
    limit = RateLimit(1000, clock=clock, sleep=clock.sleep)
    await limit.take(250)  # the burst of a quarter of a second
    assert clock.slept == []
    await limit.take(500)
    assert clock.slept == [0.5]


@given(st.lists(st.tuples(st.integers(1, 5000), st.floats(0, 3)), min_size=1, max_size=40))
def test_never_more_than_the_rate_and_one_burst(takes: list[tuple[int, float]]) -> None:
    clock = HandClock(0.0)
    limit = RateLimit(1000, clock=clock, sleep=clock.sleep)

    async def taken() -> int:
        total = 0
        for count, pause in takes:
            await limit.take(count)
            total += count
            assert total <= 1000 * clock.at + 250 + 1e-6
            clock.at += pause
        return total

    asyncio.run(taken())


def test_the_rate_is_that_of_the_last_five_seconds() -> None:
    clock = HandClock()
    gauge = Gauge(clock)
    gauge.total_bytes = 30_000
    for _ in range(10):
        clock.at += 1
        gauge.receive("a", 1000, "there")
    assert gauge.rate_bytes_s() == pytest.approx(1000, rel=0.25)
    assert gauge.left_s() == pytest.approx(20, rel=0.25)
    clock.at += 6
    assert gauge.rate_bytes_s() == 0
    assert gauge.left_s() == -1


def test_files_that_start_afresh_count_no_more() -> None:
    gauge = Gauge(HandClock())
    gauge.stand("a", 500)
    gauge.receive("b", 100, "there")
    gauge.stand("a", 0)
    assert (gauge.stored_bytes, gauge.origin) == (100, "there")

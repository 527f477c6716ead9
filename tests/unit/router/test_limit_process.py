"""Admission in one process: all limits at once or none, reserved by estimate, settled with what was used."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.routing import LimitDimension as D
from roundhouse_router.domain.limits import Demand, LimitExceeded, LimitsTable
from roundhouse_router.limits import ProcessLimiter
from roundhouse_router.limits.process import ProcessGrant
from tests.support.hand_clock import HandClock
from tests.support.limit_records import demand, limit, table_of


class Desk:
    """A limiter, its table and its clock."""

    def __init__(self, *records: object, share: int = 1, output_estimate: int = 1000) -> None:
        self.table: LimitsTable = table_of(*records)  # type: ignore[arg-type]  # LimitRecord, spelt shorter
        self.clock = HandClock()
        self.share = share
        self.limiter = ProcessLimiter(
            lambda: self.table, self.clock, output_estimate=output_estimate, share_of=lambda: self.share
        )

    def admit(self, wanted: Demand | None = None) -> ProcessGrant:
        grant = self.limiter.decide(wanted or demand())
        assert isinstance(grant, ProcessGrant)
        return grant

    def refuse(self, wanted: Demand | None = None) -> LimitExceeded:
        with pytest.raises(LimitExceeded) as refused:
            self.limiter.decide(wanted or demand())
        return refused.value

    def used(self, wanted: Demand | None = None) -> dict[str, int]:
        peek = self.limiter.peek(wanted or demand())
        with pytest.raises(StopIteration) as done:
            peek.send(None)
        return {one.rule.counter_id: one.used for one in done.value.value}


async def test_admission_never_suspends() -> None:
    desk = Desk(limit(requests_per_minute=1, concurrent_requests=1))
    task = asyncio.ensure_future(desk.limiter.admit(demand()))
    await asyncio.sleep(0)
    assert task.done()


@pytest.mark.contract("D02")
@pytest.mark.contract("D03")
@pytest.mark.contract("D04")
def test_a_refused_request_consumes_nothing_anywhere() -> None:
    desk = Desk(
        limit("lim_all", requests_per_minute=10, tokens_per_minute=1000),
        limit("lim_tenant", D.TENANT, tokens_per_minute=1000, concurrent_requests=10),
        limit("lim_zkey", D.KEY, concurrent_requests=1),
    )
    desk.admit()
    before = desk.used()
    for _ in range(20):
        desk.refuse()
    assert desk.used() == before
    desk.admit(demand("key_2"))


def test_requests_without_limits_are_free() -> None:
    desk = Desk(limit(key_ids=("key_9",), requests_per_minute=1))
    for _ in range(3):
        grant = desk.limiter.decide(demand())
        assert list(grant.headers) == []
        grant.settle(5, 5)


def test_tokens_are_reserved_and_settled() -> None:
    desk = Desk(limit(tokens_per_minute=1000, input_tokens_per_minute=500, output_tokens_per_minute=600))
    grant = desk.admit(demand(inputs=100, outputs=400))
    assert list(desk.used().values()) == [500, 100, 400]
    grant.settle(120, 50)
    grant.settle(120, 50)
    assert list(desk.used().values()) == [170, 120, 50]


def test_a_request_that_does_not_bound_its_answer_reserves_an_estimate() -> None:
    desk = Desk(limit(tokens_per_minute=1000), output_estimate=300)
    desk.admit(demand(inputs=100, outputs=None))
    assert desk.used() == {"lim_1|tokens_per_minute": 400}


def test_a_tiny_limit_can_be_used() -> None:
    desk = Desk(limit(tokens_per_minute=50), limit("lim_2", tokens_per_minute=10_000))
    grant = desk.admit(demand(inputs=100, outputs=4096))
    assert list(desk.used().values()) == [50, 4196]
    grant.settle(20, 10)
    desk.refuse(demand(inputs=30, outputs=0))
    desk.admit(demand(inputs=20, outputs=0))


def test_use_beyond_the_reservation_is_a_debt_that_later_requests_wait_for() -> None:
    desk = Desk(limit(tokens_per_minute=100))
    desk.admit(demand(inputs=10, outputs=None)).settle(10, 290)
    refusal = desk.refuse(demand(inputs=1))
    assert refusal.type == "tokens"
    assert 120 <= refusal.wait_ms / 1000 <= 183
    desk.clock.at += refusal.wait_ms / 1000
    desk.admit(demand(inputs=1))


def test_a_debt_of_output_does_not_hold_requests_that_have_none() -> None:
    desk = Desk(limit(output_tokens_per_minute=10))
    desk.admit(demand(outputs=10)).settle(10, 50)
    desk.refuse(demand(outputs=1))
    desk.admit(demand(outputs=0))


@pytest.mark.contract("D15")
def test_places_come_back_when_requests_end() -> None:
    desk = Desk(limit("lim_1", D.USER, concurrent_requests=2))
    first, _ = desk.admit(), desk.admit()
    refusal = desk.refuse()
    assert (refusal.type, refusal.status, refusal.error_code) == ("requests", 429, "rate_limit_exceeded")
    assert (b"retry-after", b"1") in refusal.headers
    first.settle(0, 0)
    first.settle(0, 0)
    desk.admit()
    desk.refuse()
    desk.admit(demand(user="usr_2"))


def test_a_changed_bound_goes_on_from_what_was_counted() -> None:
    desk = Desk(limit(requests_per_minute=2))
    desk.admit(), desk.admit()
    desk.refuse()
    desk.table = table_of(limit(requests_per_minute=3))
    desk.admit()
    desk.table = table_of(limit(requests_per_minute=2))
    desk.refuse()


def test_a_share_is_part_of_each_bound_and_at_least_one() -> None:
    desk = Desk(limit(requests_per_minute=7, concurrent_requests=2), share=3)
    grant = desk.admit()
    assert (b"x-ratelimit-limit-requests", b"2") in grant.headers
    desk.refuse()
    grant.settle(0, 0)
    desk.admit()
    desk.share = 1
    desk.admit()


def test_counters_that_nobody_uses_are_forgotten() -> None:
    desk = Desk(limit("lim_1", D.KEY, requests_per_second=5))
    for number in range(30_000):
        desk.admit(demand(f"key_{number}")).settle(0, 0)
        desk.clock.at += 0.001
    assert len(desk.limiter._counters) < 15_000


rules = st.fixed_dictionaries(
    {},
    optional={
        "requests_per_second": st.integers(1, 4),
        "requests_per_minute": st.integers(1, 6),
        "tokens_per_minute": st.integers(1, 300),
        "output_tokens_per_day": st.integers(1, 500),
        "concurrent_requests": st.integers(1, 3),
    },
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(0, 90_000), st.just(0)),
        st.tuples(st.just("admit"), st.integers(0, 100), st.integers(0, 100)),
        st.tuples(st.just("settle"), st.integers(0, 5), st.integers(0, 200)),
    ),
    max_size=50,
)


@given(st.lists(rules, min_size=1, max_size=3), steps)
def test_whatever_happens_places_balance_and_refusals_change_nothing(
    bounds: list[dict[str, int]], happenings: list[tuple[str, int, int]]
) -> None:
    desk = Desk(*(limit(f"lim_{number}", **some) for number, some in enumerate(bounds)))
    running: list[ProcessGrant] = []
    for what, first, second in happenings:
        if what == "wait":
            desk.clock.at += first / 1000
        elif what == "admit":
            before = desk.used()
            try:
                grant = desk.limiter.decide(demand(inputs=first, outputs=second))
            except LimitExceeded:
                assert desk.used() == before
            else:
                if isinstance(grant, ProcessGrant):
                    running.append(grant)
        elif running:
            running.pop(first % len(running)).settle(first, second)
        for name, used in desk.used().items():
            assert used >= 0
            if "concurrent" in name:
                assert used == len(running)

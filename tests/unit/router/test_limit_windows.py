"""A window never holds more than its bound, whatever is charged and given back, and debt is paid at its rate."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_router.domain.limits import DAY, MINUTE, SECOND, Window, WindowCounter

SMALL = Window("test", 10, 3)
windows = st.sampled_from([SMALL, Window("test", 7, 1), SECOND, MINUTE])


def reserve(counter: WindowCounter, amount: int, now_ms: int) -> bool:
    """Take so much if there is room, as a limiter does."""
    if now_ms >= counter.ends_ms:
        counter.advance(now_ms)
    if counter.used + amount > counter.bound:
        return False
    counter.used += amount
    return True


@pytest.mark.parametrize(("window", "span_ms"), [(SECOND, 1000), (MINUTE, 60_000), (DAY, 86_400_000)])
def test_what_was_used_counts_for_the_whole_window_and_at_most_a_slot_more(window: Window, span_ms: int) -> None:
    for offset in (0, 1, window.slot_ms - 1):
        counter = WindowCounter(window, 1)
        at = 10 * span_ms + offset
        assert reserve(counter, 1, at)
        assert not reserve(counter, 1, at + span_ms - 1)
        assert reserve(counter, 1, at + span_ms + window.slot_ms)


@given(windows, st.integers(1, 20), st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20)), max_size=60))
def test_no_window_ever_admits_more_than_the_bound(window: Window, bound: int, steps: list[tuple[int, int]]) -> None:
    counter, now_ms = WindowCounter(window, bound), 1000
    admitted: list[tuple[int, int]] = []
    for pause, amount in steps:
        now_ms += pause * window.slot_ms // 10
        if reserve(counter, amount, now_ms):
            admitted.append((now_ms, amount))
    for end, _ in admitted:
        inside = sum(amount for at, amount in admitted if end - window.slot_ms * window.slots < at <= end)
        assert inside <= bound


class Book:
    """The same rules, written down as slowly as they can be: every amount with its slot, every slot looked at."""

    def __init__(self, window: Window, bound: int) -> None:
        self.window, self.bound = window, bound
        self.amounts: dict[int, int] = defaultdict(int)
        self.debt = 0
        self.slot = 0

    def held(self) -> int:
        return sum(self.amounts.values())

    def go(self, now_ms: int) -> None:
        target = now_ms // self.window.slot_ms
        while self.slot < target:
            self.slot += 1
            self.amounts.pop(self.slot - self.window.slots - 1, None)
            paid = max(0, min(self.debt, self.bound - self.held()))
            self.debt -= paid
            self.amounts[self.slot] += paid

    def used(self) -> int:
        return self.held() + self.debt

    def charge(self, amount: int) -> None:
        fits = min(amount, max(0, self.bound - self.held()))
        self.amounts[self.slot] += fits
        self.debt += amount - fits

    def give_back(self, amount: int, slot: int) -> None:
        forgiven = min(amount, self.debt)
        self.debt -= forgiven
        if slot in self.amounts:
            self.amounts[slot] -= min(amount - forgiven, self.amounts[slot])


moves = st.one_of(
    st.tuples(st.just("wait"), st.integers(0, 100)),
    st.tuples(st.just("reserve"), st.integers(1, 15)),
    st.tuples(st.just("settle"), st.integers(0, 40)),
)


@given(st.sampled_from([SMALL, Window("test", 7, 1)]), st.integers(1, 15), st.lists(moves, max_size=80))
def test_the_counter_does_what_the_book_says(window: Window, bound: int, steps: list[tuple[str, int]]) -> None:
    counter, book, now_ms = WindowCounter(window, bound), Book(window, bound), 0
    open_ones: list[tuple[int, int]] = []
    for what, amount in steps:
        if what == "wait":
            now_ms += amount
            continue
        book.go(now_ms)
        if what == "reserve":
            need = min(amount, bound)
            assert reserve(counter, need, now_ms) == (book.used() + need <= bound)
            if book.used() + need <= bound:
                book.charge(need)
                open_ones.append((now_ms, need))
        elif open_ones:
            at, need = open_ones.pop(0)
            if amount > need:
                counter.charge(amount - need, now_ms)
                book.charge(amount - need)
            else:
                counter.give_back(need - amount, at, now_ms)
                book.give_back(need - amount, at // window.slot_ms)
        assert counter.used == book.used() or now_ms >= counter.ends_ms


@given(st.integers(1, 15), st.lists(st.tuples(st.integers(0, 30), st.integers(1, 60)), min_size=1, max_size=12))
def test_the_wait_it_names_is_enough_and_not_too_long(bound: int, surpluses: list[tuple[int, int]]) -> None:
    counter, now_ms = WindowCounter(SMALL, bound), 0
    for pause, amount in surpluses:
        now_ms += pause
        counter.charge(amount, now_ms)
    need = 1 + surpluses[0][1] % bound
    wait_ms = counter.wait_ms(need, now_ms)
    if wait_ms > 1:
        assert not reserve(counter, need, now_ms + wait_ms - 1)
    assert reserve(counter, need, now_ms + wait_ms)


def test_debt_is_paid_at_the_rate_of_the_bound() -> None:
    counter = WindowCounter(MINUTE, 100)
    assert reserve(counter, 100, 0)
    counter.charge(400, 0)
    freed = [minute for minute in range(10) if reserve(counter, 1, minute * 61_000)]
    assert freed[0] == 5


def test_a_lowered_bound_is_no_debt() -> None:
    counter = WindowCounter(DAY, 1_000_000)
    assert reserve(counter, 1_000_000, 0)
    counter.bound = 10
    assert not reserve(counter, 1, 86_000_000)
    assert reserve(counter, 10, 87_300_000)


def test_a_clock_that_goes_back_stands() -> None:
    counter = WindowCounter(MINUTE, 2)
    assert reserve(counter, 1, 100_000)
    assert reserve(counter, 1, 40_000)
    assert not reserve(counter, 1, 159_999)
    assert reserve(counter, 1, 161_000)

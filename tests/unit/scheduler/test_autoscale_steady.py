"""Stabilisation: up only when it was asked for all the time, down only when nothing more was asked for all the time."""

from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.catalog import Autoscale
from roundhouse_scheduler.domain.autoscale import Recommended
from roundhouse_scheduler.domain.autoscale.steady import Steadied, steady

LONG = 1e9


def history(*items: tuple[float, int]) -> tuple[Recommended, ...]:
    return tuple(Recommended(at=at, replicas=replicas) for at, replicas in items)


def test_up_at_once_without_a_window() -> None:
    assert steady(5, (), Autoscale(), current=2, now=0.0, known_s=0.0) == Steadied(replicas=5)


def test_up_after_the_window_to_the_least_that_was_asked_for() -> None:
    autoscale = Autoscale(up_stabilization_s=60)
    past = history((0.0, 2), (50.0, 4), (80.0, 5))
    assert steady(5, past, autoscale, current=2, now=100.0, known_s=LONG).replicas == 2
    assert steady(5, past, autoscale, current=2, now=110.0, known_s=LONG) == Steadied(replicas=4, look_at=140.0)
    assert steady(5, past, autoscale, current=2, now=140.0, known_s=LONG).replicas == 5


def test_down_after_the_window_to_the_most_that_was_asked_for() -> None:
    autoscale = Autoscale(down_stabilization_s=60)
    past = history((0.0, 5), (40.0, 3), (70.0, 1))
    assert steady(1, past, autoscale, current=5, now=90.0, known_s=LONG) == Steadied(replicas=5, look_at=100.0)
    assert steady(1, past, autoscale, current=5, now=100.0, known_s=LONG) == Steadied(replicas=3, look_at=130.0)
    assert steady(1, past, autoscale, current=3, now=130.0, known_s=LONG) == Steadied(replicas=1)


def test_not_down_before_the_load_was_seen_for_a_whole_window() -> None:
    autoscale = Autoscale(down_stabilization_s=60)
    assert steady(1, (), autoscale, current=3, now=100.0, known_s=LONG) == Steadied(replicas=3, look_at=160.0)
    assert steady(1, history((70.0, 1)), autoscale, current=3, now=100.0, known_s=LONG).replicas == 3


def test_not_down_while_routers_were_not_heard_for_a_whole_window() -> None:
    autoscale = Autoscale(down_stabilization_s=60)
    silent = steady(1, history((0.0, 1)), autoscale, current=3, now=100.0, known_s=20.0)
    assert silent == Steadied(replicas=3, look_at=140.0)


@given(
    st.lists(st.tuples(st.floats(0.1, 50), st.integers(0, 20)), max_size=20),
    st.integers(0, 20),
    st.integers(0, 20),
    st.floats(0, 100),
    st.floats(0, 100),
)
def test_it_never_leaves_the_range_between_what_is_and_what_is_asked_for(
    spans: list[tuple[float, int]], asked: int, current: int, up_s: float, down_s: float
) -> None:
    at, items = 0.0, []
    for seconds, replicas in spans:
        items.append(Recommended(at=at, replicas=replicas))
        at += seconds
    autoscale = Autoscale(up_stabilization_s=up_s, down_stabilization_s=down_s)
    found = steady(asked, items, autoscale, current=current, now=at, known_s=LONG)
    assert min(asked, current) <= found.replicas <= max(asked, current)
    assert found.look_at is None or found.look_at > at

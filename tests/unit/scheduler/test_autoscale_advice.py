"""What the load asks for, by each target; in tables."""

import pytest

from roundhouse_common.contracts.catalog import Autoscale
from roundhouse_scheduler.domain.autoscale import Demand
from roundhouse_scheduler.domain.autoscale.advice import Advice, Fleet, advise


def asked(autoscale: Autoscale, demand: Demand, *, wanted: int, ready: int | None = None) -> int | None:
    found = advise(autoscale, demand, Fleet(wanted=wanted, ready=wanted if ready is None else ready))
    return None if found is None else found.replicas


@pytest.mark.parametrize(
    ("in_flight", "wanted", "expected"),
    [
        (0, 3, 0),
        (1, 1, 1),
        (4, 1, 1),
        (5, 1, 2),
        (12, 1, 3),
        (13, 3, 3),  # 8 % over: within the tolerance
        (14, 3, 4),
        (11, 3, 3),
        (8, 3, 2),
    ],
)
def test_requests_in_flight(in_flight: int, wanted: int, expected: int) -> None:
    autoscale = Autoscale(max_replicas=99, target_in_flight=4)
    assert asked(autoscale, Demand(in_flight=in_flight), wanted=wanted) == expected


def test_requests_that_wait_for_a_replica_count_as_in_flight() -> None:
    autoscale = Autoscale(max_replicas=99, target_in_flight=4)
    assert asked(autoscale, Demand(in_flight=4, held=8), wanted=1) == 3


def test_engines_count_where_a_router_is_cut_off() -> None:
    autoscale = Autoscale(max_replicas=99, target_in_flight=4)
    assert asked(autoscale, Demand(in_flight=0, running=6, waiting=6, engines=1, busiest=6), wanted=1) == 3


def test_replicas_that_start_count_as_if_they_had_their_share() -> None:
    autoscale = Autoscale(max_replicas=99, target_in_flight=4)
    assert asked(autoscale, Demand(in_flight=12), wanted=3, ready=1) == 3


@pytest.mark.parametrize(
    ("running", "waiting", "busiest", "engines", "expected"),
    [
        (4, 6, 4, 1, 2),
        (4, 1, 4, 1, 1),
        (10, 0, 2, 6, 4),
        (8, 2, 4, 2, 2),
        (0, 0, 0, 3, 0),
    ],
)
def test_queues(running: int, waiting: int, busiest: int, engines: int, expected: int) -> None:
    demand = Demand(running=running, waiting=waiting, busiest=busiest, engines=engines)
    assert asked(Autoscale(max_replicas=99, target_queue=1), demand, wanted=engines) == expected


def test_engines_that_say_nothing_leave_the_queue_out() -> None:
    assert asked(Autoscale(max_replicas=99, target_queue=1), Demand(in_flight=50), wanted=1) is None


@pytest.mark.parametrize(
    ("ttft_s", "wanted", "ready", "expected"),
    [
        (1.0, 2, 2, 2),
        (1.5, 2, 2, 3),
        (9.0, 2, 2, 4),  # at most twice as many
        (9.0, 4, 2, 4),  # those that start may be enough
        (0.3, 3, 3, 2),  # one fewer at a time
        (0.3, 1, 1, 1),
        (0.8, 3, 3, 3),  # with two of them it would be 1.2
    ],
)
def test_time_to_first_token(ttft_s: float, wanted: int, ready: int, expected: int) -> None:
    autoscale = Autoscale(max_replicas=99, target_ttft_s=1.0)
    assert asked(autoscale, Demand(in_flight=4, ttft_s=ttft_s), wanted=wanted, ready=ready) == expected


def test_a_load_that_was_too_much_for_fewer_is_not_tried_again() -> None:
    autoscale = Autoscale(max_replicas=99, target_ttft_s=1.0)
    quick = Demand(in_flight=8, ttft_s=0.1, strained_load=8.0)
    assert asked(autoscale, quick, wanted=2) == 2
    assert asked(autoscale, Demand(in_flight=4, ttft_s=0.1, strained_load=8.0), wanted=2) == 1


def test_the_highest_of_several_targets_counts() -> None:
    autoscale = Autoscale(max_replicas=99, target_in_flight=4, target_queue=1)
    demand = Demand(in_flight=12, running=2, waiting=10, engines=1, busiest=2)
    assert advise(autoscale, demand, Fleet(wanted=1, ready=1)) == Advice(
        replicas=4, why="10.0 requests waiting in each engine, target 1"
    )


def test_without_a_target_nothing_is_asked_for() -> None:
    assert asked(Autoscale(max_replicas=99), Demand(in_flight=50), wanted=1) is None

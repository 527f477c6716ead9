"""What a replica held and when, from transitions in any order."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.scheduler import Phase, ReplicaTransition
from roundhouse_metering.domain.spans import Span, chained, span_of
from tests.support.metering import GIB, transition

P = Phase
LIFE = (
    transition(100.0, P.PENDING, P.ASSIGNED),
    transition(101.0, P.ASSIGNED, P.STARTING),
    transition(110.0, P.STARTING, P.READY),
    transition(150.0, P.READY, P.FAILED),
    transition(151.0, P.FAILED, P.ASSIGNED),
    transition(160.0, P.ASSIGNED, P.READY),
    transition(200.0, P.READY, P.DRAINING),
    transition(205.0, P.DRAINING, P.STOPPED),
)


def seconds(spans: list[Span], *, until: float) -> tuple[float, float]:
    """Return the seconds held and served."""
    lasted = [(span, (until if span.ended_at is None else span.ended_at) - span.began_at) for span in spans]
    held = sum(length for span, length in lasted if span.is_holding)
    return held, sum(length for span, length in lasted if span.is_serving)


def spans(*events: ReplicaTransition) -> list[Span]:
    return chained(span_of(event) for event in events)


@pytest.mark.contract("B09")
def test_a_life_is_counted_from_placement_to_its_end_and_served_while_ready() -> None:
    assert seconds(spans(*LIFE), until=1000.0) == (105.0, 80.0)


@pytest.mark.contract("B09")
@given(st.permutations(LIFE), st.lists(st.sampled_from(LIFE), max_size=8), st.randoms(use_true_random=False))
def test_order_and_repetition_make_no_difference(
    events: list[ReplicaTransition], repeated: list[ReplicaTransition], rng: random.Random
) -> None:
    shuffled = [*events, *repeated]
    rng.shuffle(shuffled)
    assert spans(*shuffled) == spans(*LIFE)


@given(st.sets(st.sampled_from(LIFE), min_size=1))
def test_whatever_has_come_so_far_has_no_gap_and_no_overlap(events: set[ReplicaTransition]) -> None:
    found = spans(*events)
    assert all(span.ended_at == after.began_at for span, after in pairwise(found))
    assert found[-1].ended_at is None


def test_what_still_runs_counts_up_to_now() -> None:
    running = spans(*LIFE[:3])
    assert seconds(running, until=120.0) == (20.0, 10.0)
    assert seconds(running, until=130.0) == (30.0, 20.0)


def test_a_stop_ends_it_also_when_another_schedulers_clock_put_it_earlier() -> None:
    late_clock = transition(109.5, P.DRAINING, P.STOPPED)
    found = spans(late_clock, *LIFE[:3])
    assert [span.phase for span in found][-1] == "stopped"
    assert seconds(found, until=10_000.0) == (10.0, 0.0)


def test_two_transitions_of_one_moment_follow_their_ids() -> None:
    first = transition(100.0, P.PENDING, P.ASSIGNED, event_id="evt_1")
    second = transition(100.0, P.ASSIGNED, P.READY, event_id="evt_2")
    assert [span.phase for span in spans(second, first)] == ["assigned", "ready"]


def test_claims_are_of_all_devices_together() -> None:
    span = span_of(LIFE[0])
    assert (span.device_count, span.memory_bytes, span.cpu_millis) == (2, 20 * GIB, 1500)


@pytest.mark.parametrize(
    ("phase", "holds", "serves"),
    [
        (P.PENDING, False, False),
        (P.ASSIGNED, True, False),
        (P.READY, True, True),
        (P.FAILED, True, False),
        (P.LOST, False, False),
        (P.STOPPED, False, False),
    ],
)
def test_a_scheduler_that_does_not_say_what_is_held_is_judged_by_the_phase(
    phase: Phase, holds: bool, serves: bool
) -> None:
    span = span_of(transition(1.0, P.DRAINING, phase, is_holding=None, is_serving=None, tenant_id=""))
    assert (span.is_holding, span.is_serving, span.tenant_id) == (holds, serves, "ten_default")


def test_a_late_node_serves_on_when_the_scheduler_says_so() -> None:
    late = transition(170.0, P.READY, P.UNKNOWN, is_serving=True)
    assert seconds(spans(*LIFE[:3], late), until=180.0) == (80.0, 70.0)

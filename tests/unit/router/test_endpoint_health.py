"""Endpoints that fail: rest, ejection, probes, and the bounds on how many are passed over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.routing import RouteTarget
from roundhouse_router.domain.choosing.candidate import Verdict
from roundhouse_router.domain.health import HealthOptions
from tests.support.choosing import World, endpoints, provider
from tests.support.running_router import deployment_endpoints

pytestmark = pytest.mark.contract("D08")

FAILED, OK, BUSY = Verdict.FAILED, Verdict.OK, Verdict.BUSY


def ejected(world: World) -> set[str]:
    return {standing.endpoint_id for standing in world.chooser.roster.standings if standing.condition.is_ejected}


def probing(count: int = 2, **health: object) -> World:
    """Return a world in which `rep_0` was ejected and its first 2 s are over; the other one is a little busy."""
    world = World(endpoints(count), health=HealthOptions(**health))  # type: ignore[arg-type]  # fields of many types
    world.answer("rep_0", times=5)
    assert ejected(world) == {"rep_0"}
    assert world.send().endpoint_id == "rep_1"
    world.now += 2.0
    return world


def test_one_failure_makes_an_endpoint_the_last_to_be_tried_for_a_moment() -> None:
    world = World(endpoints(3))
    failed = world.ask(FAILED)
    assert failed not in world.shares(20)
    assert world.way()[-1] == failed
    world.now += 2.0
    assert failed in world.shares(3)


def test_an_answer_ends_the_rest() -> None:
    world = World(endpoints(2))
    world.answer("rep_0")
    world.answer("rep_0", OK)
    assert "rep_0" in world.shares(2)


def test_several_failures_in_a_row_eject_and_an_answer_in_between_begins_anew() -> None:
    world = World(endpoints(2))
    world.answer("rep_0", times=4)
    world.answer("rep_0", OK)
    world.answer("rep_0", times=4)
    assert ejected(world) == set()
    world.answer("rep_0")
    assert ejected(world) == {"rep_0"}


@pytest.mark.parametrize("verdict", [Verdict.CLIENT, Verdict.ABANDONED])
def test_what_says_nothing_of_the_endpoint_changes_nothing(verdict: Verdict) -> None:
    world = World(endpoints(2))
    world.answer("rep_0", verdict, times=20)
    assert "rep_0" in world.shares(2)
    world.answer("rep_0", times=4)
    world.answer("rep_0", verdict)
    world.answer("rep_0")
    assert ejected(world) == {"rep_0"}, "and the failures before it still count"


@pytest.mark.parametrize(("retry_after_s", "rests_s"), [(0.0, 1.0), (7.0, 7.0), (3600.0, 60.0)])
def test_an_endpoint_that_says_429_is_left_alone_as_long_as_it_asks_and_never_ejected(
    retry_after_s: float, rests_s: float
) -> None:
    world = World(endpoints(2))
    world.answer("rep_0", BUSY, times=20, retry_after_s=retry_after_s)
    assert ejected(world) == set()
    world.now += rests_s - 0.1
    assert "rep_0" not in world.shares(10)
    world.now += 0.2
    assert "rep_0" in world.shares(2)


def test_answers_to_others_do_not_end_the_rest_that_an_endpoint_asked_for() -> None:
    world = World(endpoints(2))
    running = [world.send() for _ in range(2)]
    world.answer("rep_0", BUSY, retry_after_s=7.0)
    for candidate in running:
        world.end(candidate)
    world.answer("rep_0", OK)
    assert "rep_0" not in world.shares(10)
    world.now += 7.0
    assert "rep_0" in world.shares(2)


def test_the_end_of_a_stream_from_before_a_failure_is_no_sign_of_health() -> None:
    world = World(endpoints(2))
    streams = [candidate for candidate in (world.send() for _ in range(8)) if candidate.endpoint_id == "rep_0"]
    for stream in streams:
        world.now += 0.1
        world.answer("rep_0")
        world.end(stream)
        assert "rep_0" not in world.shares(4)
    world.answer("rep_0")
    assert ejected(world) == {"rep_0"}, "its failures were in a row"


def test_when_its_time_is_over_it_gets_one_request_at_a_time_until_two_have_passed() -> None:
    world = probing()
    first = world.send()
    assert first.endpoint_id == "rep_0"
    assert [world.send().endpoint_id for _ in range(3)] == ["rep_1"] * 3
    world.end(first)
    second = world.send()
    assert second.endpoint_id == "rep_0"
    assert world.send().endpoint_id == "rep_1"
    world.end(second)
    assert ejected(world) == set()
    assert [world.send().endpoint_id for _ in range(2)] == ["rep_0", "rep_0"]


def test_a_probe_that_says_nothing_makes_room_for_the_next_and_429_is_waited_for() -> None:
    world = probing()
    for verdict in (Verdict.ABANDONED, Verdict.CLIENT):
        probe = world.send()
        assert probe.endpoint_id == "rep_0"
        world.end(probe, verdict)
    probe = world.send()
    world.end(probe, BUSY, retry_after_s=5.0)
    assert world.way()[-1] == "rep_0"
    world.now += 5.0
    assert world.send().endpoint_id == "rep_0"


def test_requests_from_before_the_ejection_say_nothing() -> None:
    world = World(endpoints(2))
    old = [world.send() for _ in range(4)]
    world.answer("rep_0", times=5)
    world.now += 1.0
    for candidate in old:
        world.end(candidate, OK if candidate.endpoint_id == "rep_1" else FAILED)
    world.now += 1.0
    assert "rep_0" in world.shares(2)


def test_ejections_grow_to_a_ceiling_and_are_forgotten_in_good_times() -> None:
    world = probing(max_ejection_s=12.0)
    lengths = []
    for _ in range(5):
        probe = world.send()
        assert probe.endpoint_id == "rep_0"
        world.end(probe, FAILED)
        until = world.chooser.roster.standings.of("rep_0").condition.ejected_until
        lengths.append(until - world.now)
        world.now = until
    assert lengths == [4.0, 8.0, 12.0, 12.0, 12.0]
    world.answer("rep_0", OK, times=2)
    assert ejected(world) == set()
    world.now += 60.0 * 5
    world.answer("rep_0", times=5)
    assert world.chooser.roster.standings.of("rep_0").condition.ejected_until - world.now == pytest.approx(4.0)


def test_failures_of_many_probes_at_once_count_as_one_ejection() -> None:
    world = probing(1 + 1)
    world.serve(endpoints(1))
    old = [world.send() for _ in range(6)]
    for candidate in old:
        world.end(candidate, FAILED)
    assert world.chooser.roster.standings.of("rep_0").condition.ejected_until - world.now == pytest.approx(4.0)


def test_answers_of_probes_count_from_the_last_ejection_on() -> None:
    world = probing()
    for verdict, is_ejected in ((OK, True), (FAILED, True), (OK, True), (OK, False)):
        world.now = max(world.now, world.chooser.roster.standings.of("rep_0").condition.ejected_until)
        probe = world.send()
        assert probe.endpoint_id == "rep_0"
        world.end(probe, verdict)
        assert (ejected(world) == {"rep_0"}) is is_ejected


def test_an_ejected_endpoint_that_is_left_alone_comes_after_the_next_target() -> None:
    targets = (RouteTarget(deployment_id="dep_1"), RouteTarget(provider_id="prv_1", model="gpt", priority=1))
    world = World(endpoints(2), targets=targets, providers=[provider()])
    world.answer("rep_0", times=5)
    world.serve(endpoints(1))
    assert world.way() == ["prv_1", "rep_0"]


def test_a_lone_endpoint_is_never_ejected() -> None:
    world = World(endpoints(1))
    world.answer("rep_0", times=50)
    assert ejected(world) == set()
    assert world.way() == ["rep_0"]


def test_a_provider_may_be_ejected_and_is_still_the_last_resort() -> None:
    targets = (RouteTarget(provider_id="prv_1", model="a"), RouteTarget(provider_id="prv_2", model="b", priority=1))
    world = World(targets=targets, providers=[provider(), provider("prv_2")])
    for _ in range(5):
        candidate = world.begin().next(world.now)
        assert candidate is not None
        if candidate.endpoint_id != "prv_1":
            world.now += 2.0
            candidate = world.begin().next(world.now)
            assert candidate is not None
        world.chooser.sent(candidate, world.now)
        world.end(candidate, FAILED)
    assert ejected(world) == {"prv_1"}
    assert world.way() == ["prv_2", "prv_1"]


events = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from([FAILED, FAILED, OK, BUSY]), st.floats(0, 3)), min_size=20, max_size=80
)


@given(st.integers(1, 7), st.sampled_from([0.1, 0.34, 0.5, 1.0]), events)
def test_no_more_than_the_allowed_share_is_ever_ejected_and_one_always_stays(
    count: int, share: float, happened: list[tuple[int, Verdict, float]]
) -> None:
    world = World(endpoints(count), health=HealthOptions(max_ejected_share=share, consecutive_failures=1))
    for number, verdict, pause_s in happened:
        world.answer(f"rep_{number % count}", verdict)
        world.now += pause_s
        assert len(ejected(world)) <= min(share * count, count - 1)
        assert sorted(world.way()) == [f"rep_{n}" for n in range(count)], "all stay in reach"


def test_when_too_few_are_left_ejection_is_not_minded() -> None:
    world = World(endpoints(4))
    for name in ("rep_0", "rep_1"):
        world.answer(name, times=5)
    assert set(world.shares(20)) == {"rep_2", "rep_3"}
    left = [one for one in endpoints(4).endpoints if one.replica_id != "rep_3"]
    world.serve(deployment_endpoints(*left))
    assert set(world.shares(30)) == {"rep_0", "rep_1", "rep_2"}


def rated(world: World, rates: list[float]) -> None:
    for number, rate in enumerate(rates):
        for turn in range(100):
            world.answer(f"rep_{number}", OK if (turn * rate) % 1 < rate else FAILED)
        world.answer(f"rep_{number}", OK)


def test_one_that_answers_much_less_often_than_the_others_is_ejected_where_that_is_on() -> None:
    rates = [1.0, 1.0, 1.0, 1.0, 1.0, 0.6]
    for is_on in (True, False):
        world = World(endpoints(6), health=HealthOptions(is_success_rate_judged=is_on))
        rated(world, rates)
        assert ejected(world) == set()
        world.chooser.roster.judge(world.now)
        assert ejected(world) == ({"rep_5"} if is_on else set())


def test_nobody_is_judged_by_few_requests_or_among_few() -> None:
    world = World(endpoints(6), health=HealthOptions(is_success_rate_judged=True, success_rate_requests=200))
    rated(world, [1.0] * 5 + [0.6])
    world.chooser.roster.judge(world.now)
    few = World(endpoints(4), health=HealthOptions(is_success_rate_judged=True))
    rated(few, [1.0] * 3 + [0.6])
    few.chooser.roster.judge(few.now)
    assert ejected(world) == ejected(few) == set()

"""How requests are spread over the endpoints of a deployment."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.routing import Balancing, Strategy
from roundhouse_router.domain.choosing.candidate import Candidate, Verdict
from tests.support.choosing import World, endpoints
from tests.support.running_router import deployment_endpoints, endpoint

EVERY = [strategy for strategy in Strategy if strategy is not Strategy.UNKNOWN]


def balanced(strategy: Strategy, count: int, **balancing: object) -> World:
    return World(endpoints(count), balancing=Balancing(strategy=strategy, **balancing))  # type: ignore[arg-type]  # of many types


@pytest.mark.contract("D05")
@given(st.integers(1, 8), st.integers(0, 40))
def test_round_robin_gives_each_its_turn(count: int, requests: int) -> None:
    shares = balanced(Strategy.ROUND_ROBIN, count).shares(requests)
    assert sum(shares.values()) == requests
    assert max(shares.values(), default=0) - min((shares[f"rep_{n}"] for n in range(count)), default=0) <= 1


@pytest.mark.contract("D05")
@given(st.lists(st.sampled_from(["ask", "fail", "later"]), max_size=60), st.integers(2, 5))
def test_round_robin_starves_nobody_while_endpoints_rest_and_come_back(events: list[str], count: int) -> None:
    world = balanced(Strategy.ROUND_ROBIN, count)
    for event in events:
        if event == "later":
            world.now += 0.7
        else:
            world.ask(Verdict.FAILED if event == "fail" else Verdict.OK)
    world.now += 1000
    assert set(world.shares(count * 3)) == {f"rep_{n}" for n in range(count)}


@pytest.mark.contract("D06")
def test_random_is_even_in_the_long_run() -> None:
    shares = balanced(Strategy.RANDOM, 4).shares(8000)
    assert all(1800 < shares[f"rep_{n}"] < 2200 for n in range(4))


@pytest.mark.contract("D07")
@given(st.lists(st.integers(0, 6), min_size=1, max_size=5).filter(any), st.integers(1, 4))
def test_weighted_gives_exactly_the_weights_in_every_round(weights: list[int], rounds: int) -> None:
    by_replica = {f"rep_{n}": weight for n, weight in enumerate(weights)}
    world = balanced(Strategy.WEIGHTED, len(weights), weights=by_replica)
    assert world.shares(sum(weights) * rounds) == Counter({name: n * rounds for name, n in by_replica.items() if n})


@pytest.mark.contract("D07")
def test_weighted_spaces_the_turns_of_a_heavy_one() -> None:
    world = balanced(Strategy.WEIGHTED, 3, weights={"rep_0": 4, "rep_1": 1, "rep_2": 1})
    assert "".join(world.ask()[-1] for _ in range(6)) == "001020"


@pytest.mark.contract("D07")
def test_weights_go_by_replica_then_node_then_region() -> None:
    fleet = deployment_endpoints(
        endpoint("http://0", 0, node_id="nod_a", region="east"),
        endpoint("http://1", 1, node_id="nod_b", region="east"),
        endpoint("http://2", 2, node_id="nod_c", region="west"),
        endpoint("http://3", 3, node_id="nod_c", region="south"),
    )
    weights = {"rep_0": 5, "nod_b": 3, "east": 9, "west": 2}
    world = World(fleet, balancing=Balancing(strategy=Strategy.WEIGHTED, weights=weights))
    assert world.shares(11) == {"rep_0": 5, "rep_1": 3, "rep_2": 2, "rep_3": 1}


@pytest.mark.contract("D07")
def test_an_endpoint_of_weight_0_is_used_when_there_is_no_other() -> None:
    world = balanced(Strategy.WEIGHTED, 2, weights={"rep_0": 0})
    assert world.way() == ["rep_1", "rep_0"]


@pytest.mark.contract("D05")
@given(st.lists(st.booleans(), max_size=80), st.integers(2, 6))
def test_least_in_flight_never_lets_two_endpoints_drift_apart(begins: list[bool], count: int) -> None:
    """While requests only come, no endpoint has two more than another; one that has fewer is always filled first."""
    world = balanced(Strategy.LEAST_IN_FLIGHT, count)
    open_: list[Candidate] = []
    for is_begin in begins:
        loads = {f"rep_{n}": world.chooser.roster.standings.of(f"rep_{n}").in_flight for n in range(count)}
        if is_begin or not open_:
            candidate = world.send()
            assert loads[candidate.endpoint_id] == min(loads.values())
            open_.append(candidate)
        else:
            world.end(open_.pop(len(open_) // 2))


def test_ties_are_broken_in_turn() -> None:
    world = balanced(Strategy.LEAST_IN_FLIGHT, 3)
    assert world.shares(9) == {"rep_0": 3, "rep_1": 3, "rep_2": 3}


def test_requests_of_other_routers_count_as_load() -> None:
    world = balanced(Strategy.LEAST_IN_FLIGHT, 2)
    world.next()
    world.chooser.roster.standings.others_have("rtr_2", {"rep_0": 5})
    assert [world.send().endpoint_id for _ in range(5)] == ["rep_1"] * 5
    world.chooser.roster.standings.others_have("rtr_2", {})
    assert world.send().endpoint_id == "rep_0"


def test_power_of_two_never_takes_the_busiest_and_sees_the_engines_queue() -> None:
    world = balanced(Strategy.POWER_OF_TWO, 4)
    world.next()
    world.chooser.roster.standings.waiting([("rep_2", 7), ("rep_unknown", 3)], world.now)
    assert "rep_2" not in world.shares(200)
    world.chooser.roster.standings.forget_queues(world.now + 1)
    assert "rep_2" in world.shares(200)


def test_power_of_two_keeps_the_longest_queue_far_shorter_than_chance_does() -> None:
    def longest(strategy: Strategy) -> int:
        world, dice = balanced(strategy, 20), random.Random(7)
        open_ = [world.send() for _ in range(200)]
        worst = 0
        for _ in range(3000):
            world.end(open_.pop(dice.randrange(len(open_))))
            open_.append(world.send())
            worst = max(worst, max(standing.in_flight for standing in world.chooser.roster.standings))
        return worst

    assert longest(Strategy.POWER_OF_TWO) <= 16 < longest(Strategy.RANDOM)


def test_lowest_latency_prefers_the_quick_one_and_still_looks_at_the_others() -> None:
    world = balanced(Strategy.LOWEST_LATENCY, 3)
    shares: Counter[str] = Counter()
    for _ in range(2000):
        candidate = world.send()
        shares[candidate.endpoint_id] += 1
        world.end(candidate, first_token_s=0.1 if candidate.endpoint_id == "rep_1" else 0.5)
    assert shares["rep_1"] > 1800
    assert min(shares["rep_0"], shares["rep_2"]) > 10


def test_lowest_latency_finds_out_that_an_endpoint_became_quick() -> None:
    world = balanced(Strategy.LOWEST_LATENCY, 2)
    quick = "rep_0"
    for turn in range(3000):
        quick = "rep_0" if turn < 1000 else "rep_1"
        candidate = world.send()
        world.end(candidate, first_token_s=0.1 if candidate.endpoint_id == quick else 1.0)
    assert world.shares(100)[quick] > 80


def test_lowest_latency_weighs_what_is_in_flight() -> None:
    world = balanced(Strategy.LOWEST_LATENCY, 2)
    for name, seconds in (("rep_0", 0.1), ("rep_1", 0.25)):
        world.answer(name, Verdict.OK, first_token_s=seconds)
    sent = Counter(world.send().endpoint_id for _ in range(70))
    assert 40 <= sent["rep_0"] <= 60, "in proportion to their speed"


def test_lowest_latency_sends_one_request_only_to_an_endpoint_that_it_does_not_know() -> None:
    world = balanced(Strategy.LOWEST_LATENCY, 3)
    world.answer("rep_0", Verdict.OK, first_token_s=0.1)
    sent = Counter(world.send().endpoint_id for _ in range(3))
    assert sent == {"rep_0": 1, "rep_1": 1, "rep_2": 1}


@pytest.mark.parametrize("strategy", EVERY)
@given(st.integers(1, 6), st.data())
def test_every_strategy_tries_each_endpoint_once_before_it_gives_up(
    strategy: Strategy, count: int, data: st.DataObject
) -> None:
    world = balanced(strategy, count)
    for _ in range(data.draw(st.integers(0, 5))):
        world.send(prompt=lambda: b"p" * 600, user="ann")
    assert sorted(world.way(prompt=lambda: b"p" * 600, user="ann")) == [f"rep_{n}" for n in range(count)]


@pytest.mark.parametrize("strategy", EVERY)
def test_no_strategy_starves_an_endpoint_of_many_unlike_requests(strategy: Strategy) -> None:
    world, dice = balanced(strategy, 4), random.Random(3)
    seen = Counter[str]()
    for number in range(800):
        prompt = dice.randbytes(1024)
        seen[world.ask(prompt=lambda prompt=prompt: prompt, user=f"user {number}")] += 1
    floor = 10 if strategy is Strategy.LOWEST_LATENCY else 100
    assert min(seen[f"rep_{n}"] for n in range(4)) > floor, seen

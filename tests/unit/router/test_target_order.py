"""Which of a route's targets come first for a request."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.routing import RouteMatch, RouteTarget, SplitBy
from roundhouse_router.domain.errors import ModelNotFound
from tests.support.choosing import World, endpoints, provider
from tests.support.running_router import api_key, deployment_endpoints

A, B = endpoints(1, "dep_a"), endpoints(1, "dep_b")


def split(*weights: int, by: SplitBy = SplitBy.REQUEST, **changed: Any) -> World:  # Any: fields of many types
    targets = tuple(RouteTarget(deployment_id=f"dep_{n}", weight=weight) for n, weight in enumerate(weights))
    return World(targets=targets, split_by=by, **changed)


def firsts(world: World, count: int, **facts: Any) -> Counter[str]:
    return Counter(world.begin(**facts).targets[0].deployment_id for _ in range(count))


def order(world: World, **facts: Any) -> list[str]:
    return [target.deployment_id for target in world.begin(**facts).targets]


@pytest.mark.contract("D07")
def test_requests_are_drawn_by_weight() -> None:
    found = firsts(split(9, 1), 5000)
    assert 4350 < found["dep_0"] < 4650
    assert found.total() == 5000


@pytest.mark.contract("D07")
def test_those_of_weight_0_come_after_the_others_of_their_priority() -> None:
    assert all(order(split(0, 1, 0)) == ["dep_1", "dep_0", "dep_2"] for _ in range(20))


@pytest.mark.contract("D09")
def test_lower_priorities_come_first_whatever_their_weight() -> None:
    targets = (
        RouteTarget(deployment_id="last", priority=2, weight=100),
        RouteTarget(deployment_id="first", weight=1),
        RouteTarget(provider_id="second", priority=1),
    )
    for _ in range(20):
        found = World(targets=targets).begin().targets
        assert [target.deployment_id or target.provider_id for target in found] == ["first", "second", "last"]


@pytest.mark.parametrize("by", [SplitBy.KEY, SplitBy.USER])
def test_a_split_by_key_or_user_holds_for_each_and_for_all_by_weight(by: SplitBy) -> None:
    world = split(4, 1, by=by)

    def first(number: int) -> str:
        facts = {"key": api_key(key_id=f"key_{number}")} if by is SplitBy.KEY else {"user": f"user {number}"}
        found = firsts(world, 3, **facts)
        assert len(found) == 1
        return next(iter(found))

    found = Counter(first(number) for number in range(2000))
    assert 1500 < found["dep_0"] < 1700


def test_without_a_user_in_the_body_the_keys_user_decides() -> None:
    world = split(1, 1, by=SplitBy.USER)
    for number in range(20):
        key = api_key(user_id=f"usr_{number}")
        assert order(world, key=key) == order(world, user=f"usr_{number}")


def test_routers_draw_alike_and_routes_apart() -> None:
    users = [f"user {number}" for number in range(300)]
    one, other = split(1, 1, by=SplitBy.USER), split(1, 1, by=SplitBy.USER, seed=2)
    assert [order(one, user=user) for user in users] == [order(other, user=user) for user in users]
    third = split(1, 1, by=SplitBy.USER, route_id="rte_another")
    assert 100 < sum(order(one, user=user) == order(third, user=user) for user in users) < 200


@given(st.integers(1, 20), st.integers(1, 20))
def test_a_weight_that_grows_takes_users_from_others_and_gives_none_away(before: int, more: int) -> None:
    one, other = split(10, before, by=SplitBy.USER), split(10, before + more, by=SplitBy.USER)
    for number in range(60):
        if order(one, user=f"u{number}")[0] == "dep_1":
            assert order(other, user=f"u{number}")[0] == "dep_1"


@pytest.mark.contract("D08")
def test_requests_that_match_go_to_matching_targets_only() -> None:
    targets = (
        RouteTarget(deployment_id="dep_a", match=RouteMatch(header="x-canary", value="yes")),
        RouteTarget(deployment_id="dep_b"),
    )
    world = World(A, B, targets=targets)
    assert order(world, headers={b"x-canary": b"yes"}) == ["dep_a"]
    assert order(world, headers={b"x-canary": b"no"}) == ["dep_b"]
    assert order(world, headers={b"x-canary": b"\xff"}) == ["dep_b"]
    assert order(world) == ["dep_b"]


def test_a_request_that_matches_none_of_targets_that_all_ask_for_it_has_nowhere_to_go() -> None:
    world = World(A, targets=(RouteTarget(deployment_id="dep_a", match=RouteMatch(key_ids=("key_9",))),))
    with pytest.raises(ModelNotFound):
        world.begin()
    assert world.ask(key=api_key(key_id="key_9")) == "rep_0"


@pytest.mark.contract("D09")
def test_a_target_without_endpoints_is_passed_over_and_named_if_it_sleeps() -> None:
    asleep = deployment_endpoints(deployment_id="dep_s", is_wakeable=True, wake_timeout_s=30.0)
    targets = (RouteTarget(deployment_id="dep_s"), RouteTarget(deployment_id="dep_a", priority=1))
    world = World(asleep, A, targets=targets)
    choice = world.begin()
    assert [one.deployment_id for one in choice.asleep()] == ["dep_s"]
    candidate = choice.next(world.now)
    assert candidate is not None
    assert candidate.deployment is A


@pytest.mark.contract("D18")
def test_a_provider_is_asked_by_the_name_it_knows_and_only_for_what_it_has() -> None:
    targets = (
        RouteTarget(provider_id="prv_1", model="gpt-4o"),
        RouteTarget(provider_id="prv_1", model="gpt-4", priority=1),
    )
    world = World(targets=targets, providers=[provider(in_flight_most=2)])
    choice = world.begin()
    found = [choice.next(world.now) for _ in range(3)]
    assert [(one.endpoint_id, one.model) if one else None for one in found] == [
        ("prv_1", "gpt-4o"),
        ("prv_1", "gpt-4"),
        None,
    ]
    sent = [world.send() for _ in range(2)]
    assert world.next() is None
    assert world.begin().is_full
    world.end(sent[0])
    assert world.next() is not None
    assert World(targets=targets, providers=[provider(features=("embeddings",))]).next() is None
    assert World(targets=targets).next() is None

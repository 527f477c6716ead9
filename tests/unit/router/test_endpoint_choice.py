"""Which of a target's endpoints may take a request: capabilities, states, regions, room, and what was tried."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.routing import Balancing, RouteQueue, RouteTarget
from roundhouse_common.contracts.scheduler import DeploymentEndpoints, EndpointState
from roundhouse_router.domain.choosing.candidate import Verdict
from roundhouse_router.domain.routing import resolve
from tests.support.choosing import World, endpoints, provider
from tests.support.running_router import deployment_endpoints, endpoint

QUEUE = RouteQueue(max_waiting=10)
TWO = (RouteTarget(deployment_id="dep_1"), RouteTarget(deployment_id="dep_2", priority=1))
regions = st.sampled_from(["", "east", "west"])


def fleet(*regions: str, **changed: object) -> DeploymentEndpoints:
    return deployment_endpoints(
        *(endpoint("http://x", n, region=region, **changed) for n, region in enumerate(regions))
    )


@given(st.lists(st.sampled_from(list(EndpointState)), max_size=6), st.integers(0, 10))
def test_every_routable_endpoint_is_tried_once_and_the_ready_ones_first(
    found: list[EndpointState], before: int
) -> None:
    world = World(deployment_endpoints(*(endpoint("http://x", n, state=state) for n, state in enumerate(found))))
    if EndpointState.READY in found:
        world.shares(before)
    tried = [found[int(name[-1])] for name in world.way()]
    ready, suspect = found.count(EndpointState.READY), found.count(EndpointState.SUSPECT)
    assert tried == [EndpointState.READY] * ready + [EndpointState.SUSPECT] * suspect


@pytest.mark.contract("D08")
def test_an_engine_without_the_endpoint_is_never_asked() -> None:
    world = World(
        deployment_endpoints(
            endpoint("http://0", 0, features=("chat",)),
            endpoint("http://1", 1, features=("embeddings",)),
            endpoint("http://2", 2),
            endpoint("http://3", 3, features=("messages",)),
        )
    )
    assert sorted(world.way()) == ["rep_0", "rep_2"]
    assert sorted(world.way(features=(Feature.MESSAGES, Feature.CHAT))) == ["rep_0", "rep_2", "rep_3"]
    assert sorted(world.way(features=(Feature.SCORE,))) == ["rep_2"]


def test_the_own_region_goes_first_and_the_next_only_when_nobody_there_is_left() -> None:
    world = World(fleet("west", "east", "east"), region="east")
    assert set(world.shares(20)) == {"rep_1", "rep_2"}
    assert world.way()[2] == "rep_0"
    world.serve(fleet("west", "north"))
    assert set(world.shares(4)) == {"rep_0", "rep_1"}


@pytest.mark.parametrize(("region", "balancing"), [("", Balancing()), ("east", Balancing(is_local_preferred=False))])
def test_without_a_region_or_a_preference_all_are_alike(region: str, balancing: Balancing) -> None:
    assert set(World(fleet("west", "east"), region=region, balancing=balancing).shares(4)) == {"rep_0", "rep_1"}


def test_an_endpoint_that_does_not_say_where_it_is_counts_as_near() -> None:
    assert set(World(fleet("", "east", "west"), region="east").shares(8)) == {"rep_0", "rep_1"}


def test_other_regions_take_the_spill_when_each_local_endpoint_has_enough() -> None:
    world = World(fleet("east", "east", "west"), region="east", balancing=Balancing(spill_in_flight=2))
    sent = [world.send() for _ in range(4)]
    assert {candidate.endpoint_id for candidate in sent} == {"rep_0", "rep_1"}
    assert [world.send().endpoint_id for _ in range(2)] == ["rep_2", "rep_2"]
    world.end(sent[0])
    assert world.send().endpoint_id == sent[0].endpoint_id


@given(st.integers(0, 4), st.integers(1, 4), st.integers(1, 3), st.integers(0, 40))
def test_nothing_spills_before_every_local_endpoint_has_its_share(
    spill: int, near: int, far: int, requests: int
) -> None:
    balancing = Balancing(spill_in_flight=spill)
    world = World(fleet(*["east"] * near, *["west"] * far), region="east", balancing=balancing)
    for _ in range(requests):
        loads = [world.chooser.roster.standings.of(f"rep_{n}").in_flight for n in range(near)]
        is_far = int(world.send().endpoint_id[-1]) >= near
        assert not is_far or (spill and min(loads) >= spill)


def test_requests_that_may_wait_do_so_when_every_endpoint_has_as_many_as_it_was_started_for() -> None:
    world = World(fleet("", "", concurrency=2), queue=QUEUE)
    sent = []
    for _ in range(4):
        assert not world.begin().is_full
        sent.append(world.send())
    assert world.begin().is_full
    assert world.chooser.is_full(world.table, resolve(world.table, world.key, "tiny"), world.facts(), world.now)
    world.end(sent[0])
    assert not world.begin().is_full
    assert world.send().endpoint_id == sent[0].endpoint_id


def test_an_ejected_endpoint_is_no_room() -> None:
    world = World(fleet("", "", concurrency=1), queue=QUEUE)
    world.answer("rep_0", times=5)
    assert not world.begin().is_full
    assert world.send().endpoint_id == "rep_1"
    assert world.begin().is_full


def test_the_routes_own_bound_goes_before_the_engines() -> None:
    world = World(fleet("", concurrency=8), queue=RouteQueue(max_waiting=1, in_flight_per_endpoint=1))
    world.send()
    assert world.begin().is_full


@pytest.mark.parametrize(
    ("concurrency", "queue"),
    [(1, RouteQueue()), (0, QUEUE), (1, RouteQueue(in_flight_per_endpoint=1))],
    ids=["engines queue for themselves", "not known how many", "nobody waits"],
)
def test_nothing_is_ever_full_where_nobody_waits_or_no_bound_is_known(concurrency: int, queue: RouteQueue) -> None:
    world = World(fleet("", concurrency=concurrency), queue=queue)
    for _ in range(5):
        world.send()
    assert not world.begin().is_full


def test_where_there_is_no_endpoint_nothing_is_full() -> None:
    assert not World(fleet(), queue=QUEUE).begin().is_full


def test_full_endpoints_overflow_to_the_next_priority_and_full_ones_are_the_last_resort() -> None:
    world = World(fleet("", concurrency=1), endpoints(1, "dep_2"), targets=TWO, queue=QUEUE)
    world.serve(deployment_endpoints(endpoint("http://2", 2, concurrency=1), deployment_id="dep_2"))
    assert [world.send().endpoint_id for _ in range(2)] == ["rep_0", "rep_2"]
    assert world.way() == ["rep_0", "rep_2"]


def test_a_deployment_that_rests_gives_way_to_the_next_priority_for_a_moment() -> None:
    targets = (TWO[0], RouteTarget(provider_id="prv_1", model="gpt", priority=1))
    world = World(endpoints(1), targets=targets, providers=[provider()])
    assert world.ask(Verdict.FAILED) == "rep_0"
    assert world.way() == ["prv_1", "rep_0"]
    world.now += 2.1
    assert world.way() == ["rep_0", "prv_1"]


def test_a_retry_goes_by_the_table_that_it_is_given() -> None:
    world = World(endpoints(1))
    choice = world.begin()
    assert choice.next(world.now) is not None
    assert choice.next(world.now) is None
    world.serve(endpoints(2))
    choice.table = world.table
    candidate = choice.next(world.now)
    assert candidate is not None
    assert candidate.endpoint_id == "rep_1"


def test_what_is_in_flight_survives_a_new_table_and_is_forgotten_with_the_endpoint() -> None:
    world = World(endpoints(2))
    kept = world.send()
    world.serve(endpoints(3))
    assert world.send().endpoint_id != kept.endpoint_id
    world.serve(deployment_endpoints())
    world.chooser.prune(world.table)
    assert [standing.endpoint_id for standing in world.chooser.roster.standings if standing.in_flight]
    for standing in list(world.chooser.roster.standings):
        standing.in_flight = 0
    world.chooser.prune(world.table)
    assert len(world.chooser.roster.standings) == 0
    world.serve(endpoints(1))
    assert world.ask() == "rep_0"

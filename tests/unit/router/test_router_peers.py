"""What routers make of what the others tell them: better guesses, never an outage."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.demand import EndpointSeen, PrefixSeen, RouterState
from roundhouse_common.contracts.routing import Balancing, Strategy
from roundhouse_router.domain.choosing.candidate import Verdict
from roundhouse_router.domain.choosing.peers import Peers
from roundhouse_router.domain.choosing.prefixes import prefix_hashes
from tests.support.choosing import World, endpoints
from tests.support.running_router import deployment_endpoints

PROMPT = b"s" * 1000


def state(sequence: int = 1, *seen: EndpointSeen, **changed: object) -> RouterState:
    fields = {"router_id": "rtr_2", "incarnation": "inc_1", "sequence": sequence, "interval_s": 0.5, "endpoints": seen}
    return RouterState(**{**fields, **changed})  # type: ignore[arg-type]  # fields of many types


def busy(replica_id: str, in_flight: int) -> EndpointSeen:
    return EndpointSeen(replica_id=replica_id, in_flight=in_flight)


def ejected(replica_id: str, ejected_s: float = 10.0) -> EndpointSeen:
    return EndpointSeen(replica_id=replica_id, ejected_s=ejected_s)


def pair(count: int = 4, **world: object) -> tuple[World, Peers]:
    made = World(endpoints(count), **world)  # type: ignore[arg-type]  # fields of many types
    made.next()
    return made, Peers(made.chooser, "rtr_1")


def others(world: World) -> dict[str, int]:
    return {standing.endpoint_id: standing.others for standing in world.chooser.roster.standings if standing.others}


def test_what_a_router_has_in_flight_replaces_what_it_had_before() -> None:
    world, peers = pair()
    peers.hear(state(1, busy("rep_0", 3), busy("rep_1", 1)), world.now)
    peers.hear(state(1, busy("rep_0", 2), router_id="rtr_3"), world.now)
    assert others(world) == {"rep_0": 5, "rep_1": 1}
    peers.hear(state(2, busy("rep_2", 4)), world.now)
    assert others(world) == {"rep_0": 2, "rep_2": 4}


def test_late_repeated_and_own_messages_say_nothing_and_a_restarted_router_does() -> None:
    world, peers = pair()
    peers.hear(state(5, busy("rep_0", 3)), world.now)
    for late in (state(5, busy("rep_1", 9)), state(4, busy("rep_1", 9)), state(9, busy("rep_1", 9), router_id="rtr_1")):
        peers.hear(late, world.now)
    assert others(world) == {"rep_0": 3}
    assert peers.live_routers(world.now) == 2
    peers.hear(state(1, busy("rep_1", 1), incarnation="inc_2"), world.now)
    assert others(world) == {"rep_1": 1}


def test_a_router_that_is_silent_for_three_intervals_is_gone_with_its_requests() -> None:
    world, peers = pair()
    peers.hear(state(1, busy("rep_0", 3)), world.now)
    peers.hear(state(1, router_id="rtr_3", interval_s=5.0), world.now)
    assert peers.live_routers(world.now + 1.4) == 3
    assert peers.live_routers(world.now + 1.6) == 2
    peers.forget(world.now + 1.6)
    assert others(world) == {}


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"), st.dictionaries(st.sampled_from(["rep_0", "rep_1", "rep_9"]), st.integers(0, 5))
        )
    )
)
def test_loads_of_others_are_always_the_sum_of_the_last_words(said: list[tuple[str, dict[str, int]]]) -> None:
    world, peers = pair(2)
    last: dict[str, dict[str, int]] = {}
    for number, (router, loads) in enumerate(said):
        peers.hear(state(number, *(busy(*one) for one in loads.items()), router_id=router), world.now)
        last[router] = loads
    expected = sum((Counter(loads) for loads in last.values()), Counter[str]())
    assert others(world) == {name: n for name, n in expected.items() if n and name != "rep_9"}
    world.serve(deployment_endpoints(*endpoints(10).endpoints))
    world.next()
    assert others(world) == {name: n for name, n in expected.items() if n}, (
        "an endpoint that was told of before it was known"
    )


def test_what_is_told_is_what_is_busy_or_ejected() -> None:
    world, peers = pair(2)
    assert peers.endpoints(world.now) == ()
    sent = world.send()
    assert peers.endpoints(world.now) == (EndpointSeen(replica_id=sent.endpoint_id, in_flight=1),)
    world.end(sent)
    world.answer("rep_0", times=5)
    assert peers.endpoints(world.now + 0.5) == (EndpointSeen(replica_id="rep_0", ejected_s=1.5),)


def test_prompts_that_one_router_sent_are_known_to_the_other() -> None:
    balancing = Balancing(strategy=Strategy.PREFIX_AFFINITY)
    (one, one_peers), (other, other_peers) = pair(balancing=balancing), pair(balancing=balancing)
    one.shares(2)
    home = one.ask(prompt=lambda: PROMPT)
    told = one_peers.prefixes()
    assert [seen.prefix for seen in told] == list(prefix_hashes(PROMPT))
    assert one_peers.prefixes() == ()
    other_peers.hear(state(prefixes=told), other.now)
    assert other.ask(prompt=lambda: PROMPT) == home
    assert other_peers.prefixes() == (), "what was heard is not told again"


def test_many_prefixes_are_told_in_parts() -> None:
    world, peers = pair()
    world.chooser.picker.prefixes_of("dep_1").learn(range(700), "rep_0")
    world.chooser.picker.prefixes_of("dep_2").learn(range(100), "rep_9")
    assert [len(peers.prefixes()) for _ in range(3)] == [500, 300, 0]


def test_an_endpoint_that_another_router_ejected_is_tried_last_while_it_says_so() -> None:
    world, peers = pair()
    peers.hear(state(1, ejected("rep_0", 3.0)), world.now)
    assert "rep_0" not in world.shares(20)
    assert world.way()[-1] == "rep_0"
    world.now += 3.1
    assert "rep_0" in world.shares(4)


def test_our_own_answers_outweigh_what_another_router_says() -> None:
    world, peers = pair()
    world.answer("rep_0", Verdict.OK)
    peers.hear(state(1, ejected("rep_0")), world.now + 1.0)
    assert "rep_0" in world.shares(4)
    world.answer("rep_0", Verdict.FAILED)
    peers.hear(state(2, ejected("rep_0")), world.now)
    world.now += 5.0
    assert "rep_0" not in world.shares(20)


def test_an_answer_after_all_ends_what_another_router_said() -> None:
    world, peers = pair()
    peers.hear(state(1, ejected("rep_0")), world.now)
    world.answer("rep_0", Verdict.OK)
    assert "rep_0" in world.shares(4)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_a_router_whose_network_is_broken_takes_at_most_half_the_fleet_from_the_others(count: int) -> None:
    world, peers = pair(count)
    for sequence in range(1, 6):
        peers.hear(state(sequence, *(ejected(f"rep_{n}") for n in range(count))), world.now)
        world.now += 0.5
    assert len(world.shares(count * 4)) >= max(1, count / 2)


def test_prefixes_of_deployments_that_are_unknown_do_no_harm() -> None:
    world, peers = pair()
    peers.hear(state(1, prefixes=(PrefixSeen(deployment_id="dep_9", prefix=2**64 - 1, replica_id="rep_9"),)), world.now)
    world.chooser.prune(world.table)
    assert list(world.chooser.picker.tables()) == []

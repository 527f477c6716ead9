"""Requests that belong together go to one endpoint, until that one is gone or much busier than the others."""

import math
import random
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.routing import Balancing, Strategy
from roundhouse_router.domain.choosing.affinity import ALWAYS_ALLOWED
from roundhouse_router.domain.choosing.candidate import Candidate, Verdict
from roundhouse_router.domain.choosing.prefixes import PROMPT_MOST, PrefixTable, prefix_hashes
from tests.support.choosing import World, endpoints
from tests.support.running_router import deployment_endpoints, endpoint

SESSIONS = [f"session {number}" for number in range(200)]
PROMPT = b"s" * 1000


def by_session(count: int, **balancing: object) -> World:
    how = Balancing(strategy=Strategy.SESSION_AFFINITY, session_header="x-session", **balancing)  # type: ignore[arg-type]
    return World(endpoints(count), balancing=how)


def by_prefix(count: int, **balancing: object) -> World:
    how = Balancing(strategy=Strategy.PREFIX_AFFINITY, **balancing)  # type: ignore[arg-type]  # fields of many types
    return World(endpoints(count), balancing=how)


def homes(world: World) -> dict[str, str]:
    return {session: world.ask(user=session) for session in SESSIONS}


def loads(world: World) -> list[int]:
    return [standing.in_flight for standing in world.chooser.roster.standings]


def test_a_session_stays_at_its_endpoint_and_sessions_spread() -> None:
    world = by_session(4)
    first = homes(world)
    assert homes(world) == first
    assert min(Counter(first.values()).values()) > 25


def test_routers_agree_where_a_session_lives() -> None:
    one, other = by_session(4), by_session(4)
    other.shares(7)
    assert homes(one) == homes(other)


@given(st.integers(2, 8), st.data())
def test_when_an_endpoint_goes_only_its_sessions_move_and_come_back_with_it(count: int, data: st.DataObject) -> None:
    world = by_session(count)
    before = homes(world)
    gone = f"rep_{data.draw(st.integers(0, count - 1))}"
    world.serve(deployment_endpoints(*(one for one in endpoints(count).endpoints if one.replica_id != gone)))
    without = homes(world)
    assert all(without[name] == home for name, home in before.items() if home != gone)
    assert gone not in without.values()
    world.serve(endpoints(count))
    assert homes(world) == before


@given(st.integers(1, 8))
def test_an_endpoint_that_comes_takes_its_share_and_nothing_else_moves(count: int) -> None:
    before, after = homes(by_session(count)), homes(by_session(count + 1))
    moved = {name for name in SESSIONS if before[name] != after[name]}
    assert all(after[name] == f"rep_{count}" for name in moved)
    assert len(moved) < 2.5 * len(SESSIONS) / (count + 1)


def test_the_header_goes_before_the_user_and_without_both_the_least_loaded_is_taken() -> None:
    world = by_session(4)
    header = {b"x-session": b"abc"}
    assert len({world.ask(headers=header, user=user) for user in SESSIONS}) == 1
    assert {world.ask(headers={b"x-session": b""}, user=user) for user in SESSIONS} == set(homes(world).values())
    assert set(world.shares(4)) == {"rep_0", "rep_1", "rep_2", "rep_3"}
    assert world.ask(headers={b"x-session": b"\xff" * 60_000})


def test_a_session_leaves_an_endpoint_that_is_over_the_ceiling_and_only_then() -> None:
    world = by_session(3, load_ceiling=1.25)
    home = world.ask(user="ann")
    sent = []
    while (candidate := world.send(user="ann")).endpoint_id == home:
        sent.append(candidate)
    assert len(sent) == ALWAYS_ALLOWED
    world.end(sent.pop())
    assert world.ask(user="ann") == home


@given(
    st.integers(1, 6),
    st.floats(1.0, 3.0),
    st.integers(0, 6),
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=80),
)
@pytest.mark.parametrize("strategy", [Strategy.SESSION_AFFINITY, Strategy.PREFIX_AFFINITY])
def test_no_endpoint_gets_more_for_its_affinity_than_the_ceiling(
    strategy: Strategy, count: int, load_ceiling: float, concurrency: int, events: list[tuple[int, bool]]
) -> None:
    fleet = deployment_endpoints(*(endpoint("http://x", n, concurrency=concurrency) for n in range(count)))
    world = World(fleet, balancing=Balancing(strategy=strategy, load_ceiling=load_ceiling))
    open_: list[Candidate] = []
    always = min(ALWAYS_ALLOWED, concurrency or ALWAYS_ALLOWED)
    for who, is_begin in events:
        if not is_begin and open_:
            world.end(open_.pop(0))
            continue
        least = min(loads(world), default=0)
        prompt = bytes([who]) * 600
        candidate = world.send(user=f"user {who}", prompt=lambda prompt=prompt: prompt)
        open_.append(candidate)
        most = max(always, math.ceil(load_ceiling * len(open_) / count))
        load = candidate.standing.in_flight
        assert load <= most or load - 1 == least, "beyond the ceiling only the least loaded gets more"


def test_a_prompt_goes_where_its_longest_beginning_went() -> None:
    world = by_prefix(3)
    system, longer = b"s" * 512, b"s" * 512 + b"a" * 512
    first = world.ask(prompt=lambda: system + b"x" * 512)
    second = world.send()
    assert second.endpoint_id != first
    world.chooser.picker.prefixes_of("dep_1").learn(prefix_hashes(longer), second.endpoint_id)
    assert world.ask(prompt=lambda: longer + b"more" * 100) == second.endpoint_id
    assert world.ask(prompt=lambda: system + b"x" * 700) == first


def test_a_new_prompt_goes_to_the_least_loaded() -> None:
    world = by_prefix(3)
    busy = [world.send(prompt=lambda: PROMPT).endpoint_id for _ in range(2)]
    assert busy[0] == busy[1]
    assert world.ask(prompt=lambda: b"other" * 200) != busy[0]
    assert world.ask(prompt=lambda: b"short") != busy[0]
    assert world.ask() != busy[0]


def test_a_prompt_moves_on_when_its_endpoint_fails_and_is_then_known_in_both_places() -> None:
    world = by_prefix(3)
    home = world.ask(prompt=lambda: PROMPT)
    world.answer(home, Verdict.FAILED)
    other = world.ask(prompt=lambda: PROMPT)
    assert other != home
    world.answer(other, Verdict.FAILED)
    world.answer(home, Verdict.OK)
    assert world.ask(prompt=lambda: PROMPT) == home


@given(st.binary(max_size=6000), st.binary(max_size=2000), st.binary(max_size=2000))
def test_prompts_share_as_many_hashes_as_they_share_whole_blocks(shared: bytes, one: bytes, other: bytes) -> None:
    first, second = prefix_hashes(shared + one), prefix_hashes(shared + other)
    common = len(prefix_hashes(shared))
    assert first[:common] == second[:common] == prefix_hashes(shared)
    assert all(0 <= value < 2**64 for value in first)


def test_hashes_are_the_same_on_every_router_and_bounded() -> None:
    assert prefix_hashes(b"a" * 256) == (8696520136974049931,)
    assert prefix_hashes(b"a" * 255) == ()
    assert len(prefix_hashes(b"a" * 1_000_000)) == len(prefix_hashes(b"a" * PROMPT_MOST)) == 28


def test_the_table_forgets_the_oldest_and_tells_what_is_new_once() -> None:
    table = PrefixTable(3)
    table.learn([1, 2], "rep_0")
    table.learn([1, 2], "rep_0")
    assert table.take_news(10) == [(1, "rep_0"), (2, "rep_0")]
    assert table.take_news(10) == []
    table.hear(3, "rep_1")
    table.learn([1], "rep_1")
    table.hear(4, "rep_1")
    assert table.take_news(10) == [(1, "rep_1")]
    assert [list(table.owners(prefix)) for prefix in (1, 2, 3, 4)] == [["rep_0", "rep_1"], [], ["rep_1"], ["rep_1"]]
    for number in range(10):
        table.learn([1], f"rep_{number}")
    assert list(table.owners(1)) == ["rep_6", "rep_7", "rep_8", "rep_9"]


def test_news_that_nobody_takes_stay_bounded() -> None:
    table = PrefixTable(100_000)
    for number in range(20_000):
        table.learn([number], "rep_0")
    news = table.take_news(100_000)
    assert len(news) <= 4096
    assert news[-1] == (19_999, "rep_0")


def conversations(dice: random.Random, users: int) -> Iterator[tuple[int, bytes]]:
    """Yield who asks what next: each user's prompts grow, behind one of four system prompts."""
    systems = [dice.randbytes(2048) for _ in range(4)]
    history = [systems[user % 4] for user in range(users)]
    while True:
        user = dice.randrange(users)
        history[user] += dice.randbytes(dice.randrange(100, 900))
        yield user, history[user]
        if len(history[user]) > 12_000:
            history[user] = systems[user % 4]


def simulated(strategy: Strategy, *, seed: int, requests: int = 3000) -> tuple[float, float]:
    """Return the share of prompt blocks that were in the cache of the engine that got them, and the highest share of
    all requests in flight that one of eight engines had."""
    dice, world = random.Random(seed), World(endpoints(8), balancing=Balancing(strategy=strategy), seed=seed)
    caches: dict[str, set[int]] = {f"rep_{number}": set() for number in range(8)}
    open_: list[Candidate] = []
    hits = blocks = 0
    peak = 0.0
    for number, (user, prompt) in enumerate(conversations(dice, users=60)):
        if number == requests:
            return hits / blocks, peak
        while len(open_) >= 48 or (open_ and dice.random() < 0.4):
            world.end(open_.pop(dice.randrange(len(open_))), Verdict.OK, 0.1)
        candidate = world.send(prompt=lambda prompt=prompt: prompt, user=f"user {user}")
        open_.append(candidate)
        found = prefix_hashes(prompt)
        cache = caches[candidate.endpoint_id]
        hits += sum(one in cache for one in found)
        blocks += len(found)
        cache.update(found)
        if len(open_) >= 40:
            peak = max(peak, max(loads(world)) / len(open_))
    raise AssertionError


@pytest.mark.parametrize("seed", range(3))
def test_prefix_affinity_finds_more_in_the_caches_and_keeps_the_ceiling(seed: int) -> None:
    hits, peak = simulated(Strategy.PREFIX_AFFINITY, seed=seed)
    others = {name: simulated(name, seed=seed)[0] for name in (Strategy.ROUND_ROBIN, Strategy.LEAST_IN_FLIGHT)}
    assert hits > 0.9
    assert all(hits > share + 0.05 for share in others.values()), (hits, others)
    assert peak <= math.ceil(1.5 * 48 / 8) / 40

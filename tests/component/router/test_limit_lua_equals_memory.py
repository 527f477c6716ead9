"""The counters on Redis and those in memory decide alike, whatever happens and whenever."""

from itertools import count
from typing import Any

import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roundhouse_common.runtime import UnixTime
from roundhouse_router.domain.limits import Demand, LimitExceeded, exceeded
from roundhouse_router.limits import ProcessLimiter
from roundhouse_router.limits.process import ProcessGrant, needs_of
from roundhouse_router.limits.script_plan import ScriptPlan
from roundhouse_router.limits.scripts import SCRIPTS
from tests.support.limit_records import demand, limit, table_of
from tests.support.redis_server import RedisServer

_LEASE_MS = 10**9
_numbers = count()

bounds = st.fixed_dictionaries(
    {"tokens_per_minute": st.integers(1, 60)},
    optional={
        "requests_per_minute": st.integers(1, 6),
        "requests_per_day": st.integers(1, 20),
        "tokens_per_day": st.integers(1, 400),
        "input_tokens_per_minute": st.integers(1, 40),
        "output_tokens_per_minute": st.integers(1, 40),
        "concurrent_requests": st.integers(1, 4),
    },
)
near = st.sampled_from([0, 1, 999, 1000, 30_000, 59_999, 60_000, 61_000, 122_000, 899_999, 900_000, 87_300_000])
step = st.one_of(
    st.tuples(st.just("wait"), near, st.integers(0, 1)),
    st.tuples(st.just("admit"), st.integers(0, 20), st.one_of(st.none(), st.integers(0, 20))),
    st.tuples(st.just("admit"), st.integers(0, 20), st.integers(0, 5)),
    st.tuples(st.just("settle"), st.integers(0, 30), st.integers(0, 60)),
)
steps = st.lists(step, min_size=25, max_size=60)
"""Waits are near the edges of slots and windows: random ones would hardly ever meet them."""


class MsClock:
    """A clock in whole milliseconds."""

    def __init__(self, at_ms: int) -> None:
        self.at_ms = at_ms

    def monotonic(self) -> float:
        return self.at_ms / 1000 + 0.000_01  # above the rounding of the division

    def now(self) -> UnixTime:
        raise AssertionError("limits read the other clock")


class Both:
    """The same limits in memory and on Redis, with one clock."""

    def __init__(self, client: redis.Redis, some: list[dict[str, int]], at_ms: int) -> None:
        unique = next(_numbers)
        table = table_of(*(limit(f"lim_{unique}_{index}", **one) for index, one in enumerate(some)))
        self.clock = MsClock(at_ms)
        self.memory = ProcessLimiter(lambda: table, self.clock)
        self.client = client
        self.plan = ScriptPlan(table.plan(("ten_1", "usr_1", "key_1", "rt_1")))
        self.running: list[tuple[ProcessGrant, list[int], int, str]] = []

    def call(self, command: tuple[Any, ...]) -> Any:
        return self.client.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py has no types here

    def admit(self, wanted: Demand) -> None:
        lease, now_ms = f"lease-{next(_numbers)}", self.clock.at_ms
        needs = self.plan.needs(needs_of(wanted, 1000))
        reply = self.call(self.plan.admission(needs, lease, _LEASE_MS, now_ms=now_ms))
        decided = self.decide_in_memory(wanted)
        assert reply[0] == int(isinstance(decided, ProcessGrant)), decided
        if isinstance(decided, ProcessGrant):
            assert self.plan.headers(reply) == decided.headers
            self.running.append((decided, needs, now_ms, lease))
        else:
            said = exceeded(self.plan.standings(reply, needs))
            assert (said.message, said.headers) == (decided.message, decided.headers)

    def decide_in_memory(self, wanted: Demand) -> ProcessGrant | LimitExceeded:
        try:
            grant = self.memory.decide(wanted)
        except LimitExceeded as refusal:
            return refusal
        assert isinstance(grant, ProcessGrant)
        return grant

    def settle(self, number: int, used: tuple[int, int]) -> None:
        grant, needs, at_ms, lease = self.running.pop(number % len(self.running))
        grant.settle(*used)
        command = self.plan.settlement(needs, (*used, sum(used)), at_ms, lease, now_ms=self.clock.at_ms)
        if command is not None:
            self.call(command)

    def compare(self) -> None:
        look = self.plan.admission([0] * len(self.plan.rules), "", 0, is_look=True, now_ms=self.clock.at_ms)
        moves = self.memory._counters.of(demand())
        in_memory = [one.used for one in moves.standings((0, 0, 0), self.clock.at_ms)]
        assert self.call(look)[2::2] == in_memory


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(bounds, min_size=1, max_size=3), st.integers(0, 10**12), steps)
def test_memory_and_redis_decide_alike(
    redis_server: RedisServer,
    some: list[dict[str, int]],
    at_ms: int,
    happenings: list[tuple[str, int, int | None]],
) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        for script in SCRIPTS:
            client.script_load(script.text)
        both = Both(client, some, at_ms)
        for what, first, second in happenings:
            if what == "wait":
                both.clock.at_ms += first + (second or 0)
            elif what == "admit":
                both.admit(demand(inputs=first, outputs=second))
            elif both.running:
                both.settle(first, (first, second or 0))
            both.compare()

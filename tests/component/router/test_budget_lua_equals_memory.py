"""Budgets counted on Redis and in memory decide alike, whatever metering says meanwhile."""

from itertools import count
from typing import Any

import msgspec
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roundhouse_common.contracts.money import BudgetUnit
from roundhouse_common.runtime import UnixTime
from roundhouse_router.domain.limits import BudgetExhausted, Demand, LimitExceeded, exhausted
from roundhouse_router.limits import ProcessLimiter
from roundhouse_router.limits.process import ProcessGrant, needs_of
from roundhouse_router.limits.script_plan import ScriptPlan
from roundhouse_router.limits.scripts import SCRIPTS
from tests.support.budget_records import budget, reserver
from tests.support.limit_records import demand, limit, table_of
from tests.support.redis_server import RedisServer
from tests.support.usage import usage_record

_LEASE_MS = 10**9
_numbers = count()
_AMOUNTS = st.integers(0, 100) | st.integers(2**50 - 5, 2**50 + 5) | st.integers(2**60, 2**60 + 10**6)
_STEP = st.one_of(
    st.tuples(st.just("admit"), st.integers(1, 40), st.integers(0, 40)),
    st.tuples(st.just("admit"), st.integers(1, 40), st.integers(0, 40)),
    st.tuples(st.just("settle"), st.integers(0, 30), st.integers(0, 60)),
    st.tuples(st.just("hear"), st.integers(0, 120), st.just(0)),
    st.tuples(st.just("correct"), st.integers(0, 60), st.just(0)),
)


class Standstill:
    """It is always the same moment."""

    def monotonic(self) -> float:
        return 1000.0

    def now(self) -> UnixTime:
        return UnixTime(1000.0)


class Both:
    """The same budgets, and a limit beside them, in memory and on Redis."""

    def __init__(self, client: redis.Redis, amounts: list[int]) -> None:
        unique, clock = next(_numbers), Standstill()
        table = table_of(limit(f"lim_{unique}", tokens_per_minute=200))
        self.budgets = [
            budget(f"bud_{unique}_{index}", amount=amount, unit=BudgetUnit.TOKENS)
            for index, amount in enumerate(amounts)
        ]
        self.reserver = reserver(self.budgets, clock)
        self.memory = ProcessLimiter(lambda: table, clock, reserver=self.reserver)
        self.client = client
        self.plan = ScriptPlan(table.plan(("ten_1", "usr_1", "key_1", "rt_1")))
        self.running: list[tuple[ProcessGrant, list[int], Any, str]] = []

    def call(self, command: tuple[Any, ...]) -> Any:
        return self.client.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py has no types here

    def admit(self, wanted: Demand) -> None:
        lease, needs, reserved = (
            f"lease-{next(_numbers)}",
            self.plan.needs(needs_of(wanted, 9)),
            self.reserver.of(wanted),
        )
        reply = self.call(self.plan.admission(needs, lease, _LEASE_MS, reserved=reserved, now_ms=1_000_000))
        decided = self.decide_in_memory(wanted)
        assert bool(reply[0]) == isinstance(decided, ProcessGrant), decided
        if isinstance(decided, ProcessGrant):
            self.running.append((decided, needs, reserved, lease))
            return
        refusing = self.plan.refusing(reply, reserved)
        assert (refusing is not None) == isinstance(decided, BudgetExhausted)
        if refusing is not None:
            assert exhausted(*refusing).message == decided.message

    def decide_in_memory(self, wanted: Demand) -> ProcessGrant | LimitExceeded | BudgetExhausted:
        try:
            grant = self.memory.decide(wanted)
        except (BudgetExhausted, LimitExceeded) as refusal:
            return refusal
        assert isinstance(grant, ProcessGrant)
        return grant

    def settle(self, number: int, tokens: int) -> None:
        grant, needs, reserved, lease = self.running.pop(number % len(self.running))
        record = usage_record(input_tokens=tokens, output_tokens=0)
        grant.settle(tokens, 0, lambda: record)
        spent = list(zip(reserved, self.reserver.used(reserved, lambda: record), strict=True))
        command = self.plan.settlement(needs, (tokens, 0, tokens), 1_000_000, lease, spent=spent, now_ms=1_000_000)
        assert command is not None
        self.call(command)

    def hear(self, spent: int, *, epochs: int) -> None:
        """Metering says something, which may be less than before in a new epoch only."""
        first = self.budgets[0]
        spent = spent if epochs else max(spent, first.spent)
        self.budgets[0] = msgspec.structs.replace(first, spent=spent, epoch=first.epoch + epochs)

    def compare(self) -> None:
        nothing = demand(inputs=0, outputs=0)
        reserved = self.reserver.of(nothing)
        held = self.memory.budgets.held(reserved)
        needs = [0] * len(self.plan.rules)
        look = self.plan.admission(needs, "", 0, reserved=reserved, is_look=True, now_ms=1_000_000)
        assert self.call(look)[4::2] == [counter.used for counter, _ in held]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(_AMOUNTS, min_size=1, max_size=3), st.lists(_STEP, min_size=15, max_size=40))
def test_memory_and_redis_hold_budgets_alike(
    redis_server: RedisServer, amounts: list[int], happenings: list[tuple[str, int, int]]
) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        for script in SCRIPTS:
            client.script_load(script.text)
        both = Both(client, amounts)
        for what, first, second in happenings:
            if what == "admit":
                both.admit(demand(inputs=first, outputs=second))
            elif what == "hear":
                both.hear(first, epochs=0)
            elif what == "correct":
                both.hear(first, epochs=1)
            elif both.running:
                both.settle(first, second)
            both.compare()

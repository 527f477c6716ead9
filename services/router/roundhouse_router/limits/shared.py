"""Limits counted on Redis: exact over all routers that use it, and a declared way to go on when it is lost."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Final, assert_never

from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_common.runtime import Clock
from roundhouse_common.service import get_logger
from roundhouse_router.domain.limits import (
    BudgetExhausted,
    Demand,
    LimiterUnavailable,
    LimitExceeded,
    LimitsTable,
    RedisLostMode,
    Reservation,
    exceeded,
    exhausted,
)
from roundhouse_router.domain.limits.refusal import Standing
from roundhouse_router.limits.api import UNLIMITED, CounterUse, Grant
from roundhouse_router.limits.budgets import Reserver
from roundhouse_router.limits.figures import Decider, LimiterFigures
from roundhouse_router.limits.leases import Leases
from roundhouse_router.limits.link import RedisLink, RedisLost
from roundhouse_router.limits.process import Needs, ProcessLimiter, needs_of
from roundhouse_router.limits.script_plan import ScriptPlan, Spent
from roundhouse_router.limits.scripts import budget_keys

__all__ = ["RedisLimiter"]

_log = get_logger(__name__)

_FLUSH_S: Final = 1.0
_PLANS_MOST: Final = 50_000


class _RedisGrant:
    """A request that was admitted on Redis, and that this process counts too."""

    __slots__ = ("_at_ms", "_budgets", "_lease", "_limiter", "_local", "_plan", "_reserved", "headers")

    def __init__(
        self,
        limiter: "RedisLimiter",
        plan: ScriptPlan,
        reserved: list[int],
        *,
        budgets: Sequence[Reservation],
        at_ms: int,
        lease: str,
        local: Grant,
        headers: tuple[tuple[bytes, bytes], ...],
    ) -> None:
        self._limiter: RedisLimiter | None = limiter
        self._plan = plan
        self._reserved = reserved
        self._budgets = budgets
        self._at_ms = at_ms
        self._lease = lease
        self._local = local
        self.headers = headers

    def settle(self, input_tokens: int, output_tokens: int, record: Callable[[], UsageRecord] | None = None) -> None:
        limiter, self._limiter = self._limiter, None
        if limiter is not None:
            self._local.settle(input_tokens, output_tokens, record)
            used = (input_tokens, output_tokens, input_tokens + output_tokens)
            spent = limiter.spent(self._budgets, record) if self._budgets else ()
            limiter.settle_on_redis(self._plan, self._reserved, used, self._at_ms, self._lease, spent)


class _LocalGrant:
    """A request that was admitted while Redis was lost. Its place is told to Redis when that is back."""

    __slots__ = ("_lease", "_leases", "_local", "_plan", "headers")

    def __init__(self, local: Grant, leases: Leases, plan: ScriptPlan, lease: str) -> None:
        self._local = local
        self._leases = leases
        self._plan = plan
        self._lease = lease
        self.headers = local.headers

    def settle(self, input_tokens: int, output_tokens: int, record: Callable[[], UsageRecord] | None = None) -> None:
        self._local.settle(input_tokens, output_tokens, record)
        self._leases.end(self._lease, self._plan.concurrent)


class RedisLimiter:
    """One call of a script per admission, for all limits of the request. `run` must run beside it.

    What is admitted on Redis is counted in this process too, so that a router that loses Redis knows what it has
    admitted itself.
    """

    def __init__(
        self,
        table: Callable[[], LimitsTable],
        clock: Clock,
        *,
        url: str,
        router_id: str,
        figures: LimiterFigures,
        lost_mode: RedisLostMode = RedisLostMode.LOCAL_SHARE,
        live_routers: Callable[[], int] = lambda: 1,
        timeout_s: float = 0.1,
        lease_s: float = 15.0,
        output_estimate: int = 1000,
        reserver: Reserver | None = None,
    ) -> None:
        """`router_id` differs for every process and every start of it. `live_routers` shares the bounds when Redis is
        lost. A lease is kept alive while its request runs, and runs out `lease_s` after its router has died."""
        self._table = table
        self._figures = figures
        self._lost_mode = lost_mode
        self._output_estimate = output_estimate
        self._router_id = router_id
        self._numbers = count()
        self._reserver = reserver or Reserver(clock=clock)
        self._link = RedisLink(url, timeout_s=timeout_s, on_up=self._on_up, on_lost=self._on_lost)
        self._leases = Leases(self._link, lease_s)
        self._local = ProcessLimiter(
            table,
            clock,
            output_estimate=output_estimate,
            share_of=lambda: max(1, live_routers()),
            tally=figures.tallies[Decider.LOCAL_SHARE],
            reserver=self._reserver,
        )
        self._seen: LimitsTable | None = None
        self._plans: dict[int, ScriptPlan] = {}
        """By the plan's identity: each keeps its plan, so no other can have it."""
        figures.is_degraded = True

    @property
    def is_exact(self) -> bool:
        """Whether Redis is there."""
        return self._link.is_up

    @property
    def was_tried(self) -> bool:
        """Whether Redis was reached since the start, or found to be away."""
        return self._link.was_tried

    async def run(self) -> None:
        """Keep the connection and the leases, until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._link.run(), name="limits: connection to Redis")
            tasks.create_task(self._leases.run(), name="limits: leases")

    async def flush(self) -> None:
        """Tell Redis what was settled, before the end."""
        await self._link.flush(_FLUSH_S)

    async def admit(self, demand: Demand) -> Grant:
        """Admit on Redis, or as the mode says while it is lost. Raises LimiterUnavailable, and what `Limiter` says."""
        plan, reserved = self._plan(demand), self._reserver.of(demand)
        if not plan.rules and not reserved:
            return UNLIMITED
        if plan.closed is not None:
            self._figures.tallies[Decider.REDIS].refused += 1
            raise exceeded([Standing(plan.closed, 0, 1, 1)])
        lease = f"{self._router_id}.{next(self._numbers)}"
        needs = plan.needs(needs_of(demand, self._output_estimate))
        try:
            reply = await self._link.ask(
                plan.admission(needs, lease, self._leases.lease_ms, reserved=reserved),
                on_late=lambda late: self._release(late, plan, needs, lease, reserved),
            )
        except RedisLost:
            return self._without_redis(demand, plan, lease, reserved)
        if not reply[0]:
            raise self._refusal(plan, reply, needs, reserved)
        self._figures.tallies[Decider.REDIS].admitted += 1
        self._leases.begin(lease, _lease_keys(plan, reserved))
        return _RedisGrant(
            self,
            plan,
            needs,
            budgets=reserved,
            at_ms=reply[1],
            lease=lease,
            local=self._local.charge(demand, reserved),
            headers=plan.headers(reply),
        )

    async def peek(self, demand: Demand) -> Sequence[CounterUse]:
        """Return how the limits of such a request stand; of this process only while Redis is lost."""
        plan = self._plan(demand)
        if plan.closed is not None or not plan.rules:
            return [CounterUse(rule, 0) for rule in plan.rules]
        try:
            reply = await self._link.ask(plan.admission([0] * len(plan.rules), "", 0, is_look=True))
        except RedisLost:
            return await self._local.peek(demand)
        return [CounterUse(rule, used) for rule, used in zip(plan.rules, reply[2::2], strict=True)]

    def spent(self, budgets: Sequence[Reservation], record: Callable[[], UsageRecord] | None) -> Spent:
        """Return what was really used of budgets."""
        return list(zip(budgets, self._reserver.used(budgets, record), strict=True))

    def settle_on_redis(
        self, plan: ScriptPlan, reserved: list[int], used: Needs, at_ms: int, lease: str, spent: Spent
    ) -> None:
        """Tell Redis what was used of what was reserved, and that the request has ended."""
        budgets = [one for one, _ in spent]
        self._leases.forget(lease, _lease_keys(plan, budgets))
        if command := plan.settlement(reserved, used, at_ms, lease, spent=spent):
            self._link.tell(command, again=plan.release(lease, budgets))

    def _plan(self, demand: Demand) -> ScriptPlan:
        table = self._table()
        if table is not self._seen:
            self._seen, self._plans = table, {}
        found = table.plan((demand.tenant_id, demand.user_id, demand.key_id, demand.route_id))
        plan = self._plans.get(id(found))
        if plan is None:
            if len(self._plans) >= _PLANS_MOST:
                self._plans.clear()
            plan = self._plans[id(found)] = ScriptPlan(found)
        return plan

    def _refusal(
        self, plan: ScriptPlan, reply: Any, needs: list[int], reserved: Sequence[Reservation]
    ) -> LimitExceeded | BudgetExhausted:
        self._figures.tallies[Decider.REDIS].refused += 1
        if (refusing := plan.refusing(reply, reserved)) is not None:
            self._reserver.figures.refused += 1
            return exhausted(*refusing)
        return exceeded(plan.standings(reply, needs))

    def _release(
        self, late: Any, plan: ScriptPlan, needs: list[int], lease: str, reserved: Sequence[Reservation]
    ) -> None:
        """Give back what was admitted for somebody who no longer waits."""
        if isinstance(late, list) and late[0]:
            self.settle_on_redis(plan, needs, (0, 0, 0), late[1], lease, self.spent(reserved, None))

    def _without_redis(self, demand: Demand, plan: ScriptPlan, lease: str, reserved: Sequence[Reservation]) -> Grant:
        match self._lost_mode:
            case RedisLostMode.CLOSED:
                self._figures.tallies[Decider.CLOSED].refused += 1
                raise LimiterUnavailable("Limits cannot be checked now, and nothing is admitted unchecked. Try again.")
            case RedisLostMode.OPEN:
                self._figures.tallies[Decider.OPEN].admitted += 1
                local: Grant = self._local.charge(demand, reserved)
            case RedisLostMode.LOCAL_SHARE:
                local = self._local.decide(demand)
            case _:
                assert_never(self._lost_mode)
        lease = f"{lease}.local"  # another than Redis may be about to admit for somebody who no longer waits
        self._leases.begin(lease, plan.concurrent)
        return _LocalGrant(local, self._leases, plan, lease)

    def _on_up(self) -> None:
        self._figures.is_degraded = False
        _log.info("limiter_redis_found")
        self._leases.hold_all()

    def _on_lost(self, why: str) -> None:
        self._figures.is_degraded = True
        self._figures.times_lost += 1
        _log.warning("limiter_redis_lost", why=why, mode=self._lost_mode.value)


def _lease_keys(plan: ScriptPlan, reserved: Sequence[Reservation]) -> list[str]:
    return [*plan.concurrent, *(budget_keys(one)[1] for one in reserved)] if reserved else plan.concurrent

"""Limits counted in this process: exact for one router, or one router's share of them."""

from collections.abc import Callable, Sequence

from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_common.runtime import Clock
from roundhouse_router.domain.limits import (
    BudgetExhausted,
    Demand,
    LimitExceeded,
    LimitsTable,
    Reservation,
    exceeded,
)
from roundhouse_router.domain.limits.headers import pairs_of
from roundhouse_router.domain.limits.refusal import Standing
from roundhouse_router.limits.api import UNLIMITED, CounterUse, Unlimited
from roundhouse_router.limits.budgets import BudgetCounters, Held, Reserver, settle_held, take_held
from roundhouse_router.limits.counters import Counters, Moves
from roundhouse_router.limits.figures import Tally

__all__ = ["ProcessGrant", "ProcessLimiter", "needs_of"]

Needs = tuple[int, int, int]
"""Input tokens, output tokens, both."""


def needs_of(demand: Demand, output_estimate: int) -> Needs:
    """Return the tokens to reserve, before any limit caps them."""
    inputs = demand.input_tokens
    outputs = demand.output_tokens
    if outputs is None:
        outputs = output_estimate
    return inputs, outputs, inputs + outputs


class ProcessGrant:
    """What an admitted request holds."""

    __slots__ = ("_at_ms", "_held", "_monotonic", "_moves", "_needs", "_used", "lines")

    def __init__(
        self,
        moves: Moves,
        needs: Needs,
        at_ms: int,
        monotonic: Callable[[], float],
        lines: bytes,
        held: Held = (),
        used: Callable[[Sequence[Reservation], Callable[[], UsageRecord] | None], list[int]] | None = None,
    ) -> None:
        """`lines`: the headers as an answer has them; `held` of budgets; `used` says what a record means for them."""
        self._held = held
        self._used = used
        self._moves: Moves | None = moves
        self._needs = needs
        self._at_ms = at_ms
        self._monotonic = monotonic
        self.lines = lines

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        return pairs_of(self.lines)

    def settle(self, input_tokens: int, output_tokens: int, record: Callable[[], UsageRecord] | None = None) -> None:
        moves, self._moves = self._moves, None
        if moves is None:
            return
        if self._held and self._used is not None:
            settle_held(self._held, self._used([one for _, one in self._held], record))
        for places, _ in moves.places:
            places.taken -= 1
        if not moves.tokens:
            return
        now_ms, at_ms, needs = int(self._monotonic() * 1000), self._at_ms, self._needs
        used = (input_tokens, output_tokens, input_tokens + output_tokens)
        for counter, kind, _ in moves.tokens:
            need, bound = needs[kind], counter.bound
            surplus = used[kind] - (need if need < bound else bound)
            if surplus < 0:
                counter.give_back(-surplus, at_ms, now_ms)
            elif surplus:
                counter.charge(surplus, now_ms)


class ProcessLimiter:
    """One loop's limiter: a decision is made without a pause, so it is all or nothing."""

    def __init__(
        self,
        table: Callable[[], LimitsTable],
        clock: Clock,
        *,
        output_estimate: int = 1000,
        share_of: Callable[[], int] = lambda: 1,
        tally: Tally | None = None,
        reserver: Reserver | None = None,
    ) -> None:
        """`output_estimate` tokens are reserved for requests that do not bound their answer. Without a `reserver` there
        are no budgets.

        Each bound is divided by `share_of()`, never to less than 1.
        """
        self._monotonic = clock.monotonic
        self._output_estimate = output_estimate
        self._tally = tally or Tally()
        self._counters = Counters(table, share_of, clock.monotonic)
        self._reserver = reserver or Reserver(clock=clock)
        self.budgets = BudgetCounters(share_of)
        """What is spent of budgets, as this process counts it."""

    async def admit(self, demand: Demand) -> ProcessGrant | Unlimited:
        """Admit, or raise LimitExceeded. Never suspends."""
        return self.decide(demand)

    def decide(self, demand: Demand) -> ProcessGrant | Unlimited:
        """The same for who cannot await. Raises LimitExceeded, BudgetExhausted and ModelUnpriced."""
        moves, reserved = self._counters.of(demand), self._reserver.of(demand)
        if moves.is_empty and not reserved:
            return UNLIMITED
        if moves.closed is not None:
            self._tally.refused += 1
            raise exceeded([Standing(moves.closed, 0, 1, 1)])
        held = self._room(reserved) if reserved else ()
        needs, now_ms = needs_of(demand, self._output_estimate), int(self._monotonic() * 1000)
        for counter, _ in moves.requests:
            if now_ms >= counter.ends_ms:
                counter.advance(now_ms)
            if counter.used >= counter.bound:
                raise self._refusal(moves, needs, now_ms)
        for counter, kind, _ in moves.tokens:
            if now_ms >= counter.ends_ms:
                counter.advance(now_ms)
            need, bound = needs[kind], counter.bound
            if need and counter.used + (need if need < bound else bound) > bound:
                raise self._refusal(moves, needs, now_ms)
        for places, bound in moves.places:
            if places.taken >= bound:
                raise self._refusal(moves, needs, now_ms)
        self._tally.admitted += 1
        return self._take(moves, needs, now_ms, held)

    def charge(self, demand: Demand, reserved: Sequence[Reservation] = ()) -> ProcessGrant | Unlimited:
        """Count a request that somebody else admitted, whatever the limits say."""
        moves = self._counters.of(demand)
        if moves.is_empty and not reserved:
            return UNLIMITED
        now_ms = int(self._monotonic() * 1000)
        for counter in moves.windows:
            if now_ms >= counter.ends_ms:
                counter.advance(now_ms)
        return self._take(moves, needs_of(demand, self._output_estimate), now_ms, self.budgets.held(reserved))

    async def peek(self, demand: Demand) -> Sequence[CounterUse]:
        standings = self._counters.of(demand).standings((0, 0, 0), int(self._monotonic() * 1000))
        return [CounterUse(one.rule, one.used) for one in standings]

    def _room(self, reserved: Sequence[Reservation]) -> Held:
        """Return the counters of budgets that have room. Raises BudgetExhausted."""
        held = self.budgets.held(reserved)
        try:
            self.budgets.check(held)
        except BudgetExhausted:
            self._tally.refused += 1
            self._reserver.figures.refused += 1
            raise
        return held

    def _take(self, moves: Moves, needs: Needs, now_ms: int, held: Held) -> ProcessGrant:
        lines = b""
        tightest, least = None, 0
        for counter, made in moves.requests:
            counter.used = used = counter.used + 1
            if tightest is None or counter.bound - used < least:
                least, tightest = counter.bound - used, made
        if tightest is not None:
            lines, tightest = tightest.lines(least), None
        for counter, kind, made in moves.tokens:
            need, bound = needs[kind], counter.bound
            counter.used = used = counter.used + (need if need < bound else bound)
            if tightest is None or bound - used < least:
                least, tightest = bound - used, made
        if tightest is not None:
            lines += tightest.lines(least)
        for places, _ in moves.places:
            places.taken += 1
        if held:
            take_held(held)
        return ProcessGrant(moves, needs, now_ms, self._monotonic, lines, held, self._reserver.used if held else None)

    def _refusal(self, moves: Moves, needs: Needs, now_ms: int) -> LimitExceeded:
        self._tally.refused += 1
        return exceeded(moves.standings(needs, now_ms))

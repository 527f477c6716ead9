"""The counters of a process, and for each kind of request those that it moves."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from roundhouse_router.domain.limits import (
    Demand,
    LimitsTable,
    Measure,
    Plan,
    Rule,
)
from roundhouse_router.domain.limits.headers import GrantHeaders
from roundhouse_router.domain.limits.refusal import Standing
from roundhouse_router.domain.limits.rules import SECOND
from roundhouse_router.domain.limits.windows import WindowCounter

__all__ = ["NEEDED", "Counters", "Moves", "Places"]

NEEDED: Final = {Measure.INPUT_TOKENS: 0, Measure.OUTPUT_TOKENS: 1, Measure.TOKENS: 2}
"""Where a measure stands in the needs of a request: input tokens, output tokens, both."""

_SWEEP_AT_LEAST: Final = 10_000


class Places:
    """Requests that run now."""

    __slots__ = ("taken",)

    def __init__(self) -> None:
        self.taken = 0


class Moves:
    """A plan with its counters at hand: what one admission needs, found once for each subject."""

    __slots__ = ("closed", "is_empty", "places", "plan", "requests", "tokens", "windows")

    def __init__(
        self,
        plan: Plan,
        requests: list[tuple[WindowCounter, GrantHeaders]],
        tokens: list[tuple[WindowCounter, int, GrantHeaders]],
        places: list[tuple[Places, int]],
    ) -> None:
        self.plan = plan
        self.closed = plan.closed
        self.is_empty = not plan.rules
        self.requests = tuple(requests)
        self.tokens = tuple(tokens)
        """With where in a request's needs to look."""
        self.places = tuple(places)
        self.windows = (*(counter for counter, _ in requests), *(counter for counter, _, _ in tokens))
        """All of both, in the order of the plan's rules."""

    def standings(self, needs: tuple[int, int, int], now_ms: int) -> list[Standing]:
        """Return how each rule stands towards a request."""
        plan, found = self.plan, []
        windows = [(counter, 1) for counter, _ in self.requests]
        windows += [(counter, min(needs[kind], counter.bound)) for counter, kind, _ in self.tokens]
        for rule, (counter, need) in zip((*plan.requests, *plan.tokens), windows, strict=True):
            if now_ms >= counter.ends_ms:
                counter.advance(now_ms)
            found.append(Standing(rule, counter.used, need, counter.wait_ms(need, now_ms) if need else 0))
        for rule, (places, bound) in zip(plan.concurrent, self.places, strict=True):
            found.append(Standing(rule, places.taken, 1, -1 if places.taken >= bound else 0))
        return found


class Counters:
    """All counters, by id. They outlive the table: a changed bound goes on from what was counted."""

    def __init__(
        self, table: Callable[[], LimitsTable], share_of: Callable[[], int], monotonic: Callable[[], float]
    ) -> None:
        """Each bound is divided by `share_of()`, never to less than 1."""
        self._table = table
        self._share_of = share_of
        self._monotonic = monotonic
        self._seen: LimitsTable | None = None
        self._share = 0
        self._moves: dict[tuple[str, str, str, str], Moves] = {}
        self._windows: dict[str, WindowCounter] = {}
        self._places: dict[str, Places] = {}
        self._sweep_at = _SWEEP_AT_LEAST

    def __len__(self) -> int:
        return len(self._windows) + len(self._places)

    def of(self, demand: Demand) -> Moves:
        """Return what such a request moves, by the table and the share of this moment."""
        table, share = self._table(), self._share_of()
        if table is not self._seen or share != self._share:
            self._moves.clear()
            self._seen, self._share = table, share
        subject = (demand.tenant_id, demand.user_id, demand.key_id, demand.route_id)
        moves = self._moves.get(subject)
        if moves is None:
            if len(self) + len(self._moves) >= self._sweep_at:
                self._sweep()
            moves = self._moves[subject] = self._compile(table.plan(subject))
        return moves

    def _compile(self, whole: Plan) -> Moves:
        if whole.closed is not None:
            return Moves(whole, [], [], [])
        plan = Plan(
            requests=tuple(map(self._shared, whole.requests)),
            tokens=tuple(map(self._shared, whole.tokens)),
            concurrent=tuple(map(self._shared, whole.concurrent)),
        )
        return Moves(
            plan,
            [(self._window(rule), GrantHeaders(b"requests", rule)) for rule in plan.requests],
            [(self._window(rule), NEEDED[rule.measure], GrantHeaders(b"tokens", rule)) for rule in plan.tokens],
            [(self._places.setdefault(rule.counter_id, Places()), rule.bound) for rule in plan.concurrent],
        )

    def _shared(self, rule: Rule) -> Rule:
        return rule if self._share == 1 else replace(rule, bound=max(1, rule.bound // self._share))

    def _window(self, rule: Rule) -> WindowCounter:
        counter = self._windows.get(rule.counter_id)
        if counter is None:
            window = rule.window or SECOND  # rules of these two kinds have one
            counter = self._windows[rule.counter_id] = WindowCounter(window, rule.bound)
        counter.bound = rule.bound
        return counter

    def _sweep(self) -> None:
        """Forget what nobody has used for a window's time. Each sweep doubles the number that the next one waits for,
        so the cost per request stays the same. A request still in flight that outlived its window may add its surplus
        to a counter that is forgotten here."""
        now_ms = int(self._monotonic() * 1000)
        self._moves.clear()
        for counter in self._windows.values():
            if now_ms >= counter.ends_ms:
                counter.advance(now_ms)
        self._windows = {name: counter for name, counter in self._windows.items() if counter.used}
        self._places = {name: places for name, places in self._places.items() if places.taken}
        self._sweep_at = max(_SWEEP_AT_LEAST, 2 * len(self))

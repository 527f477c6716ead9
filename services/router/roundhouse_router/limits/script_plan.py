"""A request's rules as the scripts on Redis want them, and their replies as the limiter wants them."""

from collections.abc import Sequence
from typing import Any, Final

from roundhouse_router.domain.limits import GrantHeaders, Plan, Reservation, Rule
from roundhouse_router.domain.limits.headers import pairs_of
from roundhouse_router.domain.limits.refusal import Standing
from roundhouse_router.limits.counters import NEEDED
from roundhouse_router.limits.process import Needs
from roundhouse_router.limits.scripts import ADMIT, SETTLE, Argument, budget_keys, key_of

__all__ = ["ScriptPlan"]

_REPLY_HEAD: Final = 2
"""Replies begin with the verdict and the time; then for each rule what is used, and the wait."""


_KEEP_MS: Final = 2 * 86_400_000
"""Counters of budgets outlive their period by this; what is settled later is the ledger's alone."""
_KEEP_ENDLESS_MS: Final = 90 * 86_400_000
"""One without an end that nobody has used for so long begins again from what the ledger says."""

Spent = Sequence[tuple[Reservation, int]]
"""Of each budget what was really used."""


class ScriptPlan:
    """Made once per plan."""

    __slots__ = ("_headers", "_keys", "closed", "concurrent", "plan", "rules")

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.closed = plan.closed
        self.rules = plan.rules
        self._keys = [key_of(rule) for rule in self.rules]
        self.concurrent = [key_of(rule) for rule in plan.concurrent]
        """Keys of leases."""
        kinds = [b"requests"] * len(plan.requests) + [b"tokens"] * len(plan.tokens)
        self._headers = [GrantHeaders(kind, rule) for kind, rule in zip(kinds, self.rules, strict=False)]

    def needs(self, needs: Needs) -> list[int]:
        """Return how much of each rule is asked for; of tokens never more than the bound."""
        tokens = [min(needs[NEEDED[rule.measure]], rule.bound) for rule in self.plan.tokens]
        return [1] * len(self.plan.requests) + tokens + [1] * len(self.plan.concurrent)

    def admission(
        self,
        needs: list[int],
        lease: str,
        lease_ms: int,
        *,
        reserved: Sequence[Reservation] = (),
        is_look: bool = False,
        now_ms: int | None = None,
    ) -> tuple[Argument, ...]:
        """Return the command that reserves, or only looks. `now_ms`: None for the server's time."""
        arguments: list[Argument] = [_time(now_ms), lease, lease_ms, int(is_look), len(reserved)]
        for rule, need in zip(self.rules, needs, strict=True):
            arguments += _window(rule, need)
        if not reserved:
            return ADMIT.call(self._keys, arguments)
        keys = list(self._keys)
        for one in reserved:
            keys += budget_keys(one)
            keep_ms = (one.end - one.start) * 1000 + _KEEP_MS if one.end else _KEEP_ENDLESS_MS
            arguments += (one.budget.amount, one.need, one.budget.epoch, one.projected, keep_ms)
        return ADMIT.call(keys, arguments)

    def settlement(
        self,
        reserved: list[int],
        used: Needs,
        at_ms: int,
        lease: str,
        *,
        spent: Spent = (),
        now_ms: int | None = None,
    ) -> tuple[Argument, ...] | None:
        """Return the command that settles; None where there is nothing to say. `spent`: of each budget."""
        keys: list[str] = []
        arguments: list[Argument] = [_time(now_ms), at_ms, lease, len(spent)]
        first = len(self.plan.requests)
        for place, rule in enumerate(self.plan.tokens, start=first):
            surplus = used[NEEDED[rule.measure]] - reserved[place]
            if surplus:
                keys.append(self._keys[place])
                arguments += _window(rule, surplus)
        for rule, key in zip(self.plan.concurrent, self.concurrent, strict=True):
            keys.append(key)
            arguments += _window(rule, 0)
        for one, amount in spent:
            keys += budget_keys(one)
            arguments.append(amount)
        return SETTLE.call(keys, arguments) if keys else None

    def release(self, lease: str, reserved: Sequence[Reservation] = ()) -> tuple[Argument, ...] | None:
        """Return the command that only gives back the places, and what is held of budgets: safe to repeat."""
        if not self.concurrent and not reserved:
            return None
        arguments: list[Argument] = ["", 0, lease, len(reserved)]
        for rule in self.plan.concurrent:
            arguments += _window(rule, 0)
        keys = list(self.concurrent)
        for one in reserved:
            keys += budget_keys(one)
            arguments.append(0)
        return SETTLE.call(keys, arguments)

    def refusing(self, reply: Any, reserved: Sequence[Reservation]) -> tuple[Reservation, int] | None:
        """Return the first budget that has no room, with what is used of it; None: all have."""
        for place, one in enumerate(reserved, start=len(self.rules)):
            if reply[_REPLY_HEAD + 2 * place + 1]:
                return one, reply[_REPLY_HEAD + 2 * place]
        return None

    def standings(self, reply: Any, needs: list[int]) -> list[Standing]:
        """Return how each rule stands, as a reply has it."""
        return [
            Standing(rule, reply[_REPLY_HEAD + 2 * place], needs[place], reply[_REPLY_HEAD + 2 * place + 1])
            for place, rule in enumerate(self.rules)
        ]

    def headers(self, reply: Any) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers of the rules with the least left, of requests and of tokens."""
        left = [rule.bound - reply[_REPLY_HEAD + 2 * place] for place, rule in enumerate(self.rules)]
        requests, tokens = len(self.plan.requests), len(self.plan.tokens)
        found = b""
        for places in (range(requests), range(requests, requests + tokens)):
            if places:
                place = min(places, key=left.__getitem__)
                found += self._headers[place].lines(left[place])
        return pairs_of(found)


def _time(now_ms: int | None) -> Argument:
    return "" if now_ms is None else now_ms


def _window(rule: Rule, amount: int) -> tuple[Argument, ...]:
    window = rule.window
    return (rule.bound, amount, window.slot_ms, window.slots) if window else (rule.bound, amount, 0, 0)

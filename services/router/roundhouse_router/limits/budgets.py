"""What requests reserve of hard budgets, and the counters of a process."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from roundhouse_common.budgets import budget_tokens
from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_common.runtime import Clock
from roundhouse_router.domain.limits import (
    NO_BUDGETS,
    BudgetCounter,
    BudgetsUnheard,
    BudgetTable,
    Demand,
    ModelUnpriced,
    Reservation,
    SavedCounter,
    Spending,
    UnheardMode,
    UnpricedMode,
    exhausted,
)
from roundhouse_router.limits.figures import BudgetFigures

__all__ = ["NO_RESERVATIONS", "BudgetCounters", "Held", "Reserver", "settle_held", "take_held"]

NO_RESERVATIONS: Final[tuple[Reservation, ...]] = ()
_SWEEP_AT_LEAST: Final = 10_000
_LONGEST_S: Final = 32 * 86_400

Held = Sequence[tuple[BudgetCounter, Reservation]]
"""What an admitted request holds in this process."""


class Reserver:
    """Says what a request takes of each hard budget that it falls under. Without budgets it costs one look."""

    def __init__(
        self,
        budgets: Callable[[], BudgetTable] = lambda: NO_BUDGETS,
        spending: Spending | None = None,
        *,
        clock: Clock,
        figures: BudgetFigures | None = None,
        unpriced: UnpricedMode = UnpricedMode.REFUSE,
        unheard: UnheardMode = UnheardMode.ADMIT,
        output_estimate: int = 1000,
    ) -> None:
        self._budgets = budgets
        self._spending = spending
        self._now = clock.now
        self._unpriced = unpriced
        self._unheard = unheard
        self._output_estimate = output_estimate
        self.figures = figures or BudgetFigures()

    def of(self, demand: Demand) -> tuple[Reservation, ...]:
        """Return what to reserve, of each budget at the most all of it. Raises ModelUnpriced and BudgetsUnheard."""
        table = self._budgets()
        if table.is_empty:
            return NO_RESERVATIONS
        if not table.is_heard:
            self._go_on_unheard()
            return NO_RESERVATIONS
        found = table.of((demand.tenant_id, demand.project_id, demand.user_id, demand.key_id))
        if not found:
            return NO_RESERVATIONS
        outputs = self._output_estimate if demand.output_tokens is None else demand.output_tokens
        now, cost = self._now(), None
        reserved = []
        for budget in found:
            if not budget.is_money:
                amount = demand.input_tokens + outputs
            else:
                if cost is None:
                    cost = self._cost(demand, outputs, now)
                amount = cost
            start, end, projected = budget.place(now)
            # At least 1 where something is asked for: a budget of 0 has room for nothing.
            need = min(budget.steps(amount), max(1, budget.amount))
            reserved.append(Reservation(budget, start, end, projected, need))
        return tuple(reserved)

    def used(self, reserved: Sequence[Reservation], record: Callable[[], UsageRecord] | None) -> list[int]:
        """Return what was really used of each budget; nothing without a record."""
        if record is None:
            return [0] * len(reserved)
        bill, cost = record(), None
        amounts = []
        for reservation in reserved:
            budget = reservation.budget
            if budget.is_money:
                if cost is None:
                    cost = self._spending.of(bill) if self._spending is not None else 0
                amounts.append(budget.steps(cost))
            else:
                amounts.append(budget.steps(budget_tokens(bill)))
        return amounts

    def _go_on_unheard(self) -> None:
        self.figures.unheard += 1
        if self._unheard is UnheardMode.REFUSE:
            raise BudgetsUnheard("This router has not heard yet which budgets there are. Try again, or another router.")

    def _cost(self, demand: Demand, outputs: int, now: float) -> int:
        most = None
        if self._spending is not None:
            most = self._spending.most(demand, demand.input_tokens, outputs, now)
        if most is not None:
            return most
        self.figures.unpriced += 1
        if self._unpriced is UnpricedMode.REFUSE:
            raise ModelUnpriced(
                "A budget of money holds this key, and there is no price for what may answer this model. "
                "Have a price set for it."
            )
        return 0


class BudgetCounters:
    """Counters by budget and period. Those of periods that are over are forgotten when there are many."""

    def __init__(self, share_of: Callable[[], int] = lambda: 1) -> None:
        self._counters: dict[str, BudgetCounter] = {}
        self._share_of = share_of
        self._sweep_at = _SWEEP_AT_LEAST

    def to_save(self) -> dict[str, SavedCounter]:
        """Return what a later start must know: metering may not have heard of it then."""
        return {name: counter.to_save() for name, counter in self._counters.items()}

    def restore(self, saved: Mapping[str, SavedCounter]) -> None:
        """Begin with what was saved."""
        self._counters = {name: BudgetCounter.restored(one) for name, one in saved.items()}

    def held(self, reserved: Sequence[Reservation]) -> Held:
        """Return the counters that a request moves, told what metering says."""
        found = []
        for one in reserved:
            counter = self._counters.get(one.counter_id)
            if counter is None:
                counter = self._add(one)
            else:
                counter.hear(one.budget.epoch, one.projected)
            found.append((counter, one))
        return found

    def check(self, held: Held) -> None:
        """Pass if every budget has room. Raises BudgetExhausted."""
        share = self._share_of()
        for counter, one in held:
            if not counter.admits(one.need, one.budget.amount, share):
                raise exhausted(one, counter.used)

    def _add(self, one: Reservation) -> BudgetCounter:
        if len(self._counters) >= self._sweep_at:
            self._counters = {
                name: counter
                for name, counter in self._counters.items()
                if counter.outstanding or not counter.start or counter.start >= one.start - _LONGEST_S
            }
            self._sweep_at = max(_SWEEP_AT_LEAST, 2 * len(self._counters))
        counter = BudgetCounter(one.start, one.budget.epoch, one.projected)
        self._counters[one.counter_id] = counter
        return counter


def take_held(held: Held) -> None:
    for counter, one in held:
        counter.outstanding += one.need


def settle_held(held: Held, amounts: Sequence[int]) -> None:
    for (counter, one), used in zip(held, amounts, strict=True):
        counter.settle(one.need, used)

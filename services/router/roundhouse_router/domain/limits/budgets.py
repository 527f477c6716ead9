"""Hard budgets as routers hold requests to them: whose they are, and how much of them is spent."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from roundhouse_common.budgets import period_end, period_start, scope_ids
from roundhouse_common.contracts.money import BudgetPeriod, BudgetRecord, BudgetScope, BudgetUnit

__all__ = ["NO_BUDGETS", "UNHEARD", "BudgetCounter", "BudgetTable", "HardBudget", "Reservation", "SavedCounter"]

_EXACT_MOST: Final = 2**50
"""Redis counts with doubles: larger amounts are counted in thousands, millions, ... of their unit."""
_SUBJECTS_MOST: Final = 50_000
"""Subjects whose budgets are remembered; then all are looked for anew."""

Owner = tuple[str, str, str, str]
"""Tenant, project, user and key."""


class HardBudget:
    """One budget, with its amounts in whole steps of `scale` units."""

    __slots__ = ("_end", "_start", "amount", "epoch", "is_money", "projected", "record", "scale")

    def __init__(self, record: BudgetRecord) -> None:
        self.record = record
        self.is_money = record.unit is BudgetUnit.MONEY
        self.scale = 1
        while record.amount // self.scale > _EXACT_MOST:
            self.scale *= 1000
        self.amount = record.amount // self.scale
        self.epoch = record.epoch
        self.projected = max(0, self.steps(record.spent))
        self._start = self._end = -1.0

    def steps(self, amount: int) -> int:
        """Return an amount in steps, rounded up."""
        return -(-amount // self.scale)

    def place(self, now: float) -> tuple[int, int, int]:
        """Return the start of the period that is now, its end (0: none), and what is heard to be spent in it."""
        if not self._start <= now < self._end:
            self._start = float(period_start(self.record.period, now))
            self._end = float(period_end(self.record.period, now) or 2**53)
        start = int(self._start)
        end = 0 if self.record.period is BudgetPeriod.TOTAL else int(self._end)
        return start, end, self.projected if self.record.period_start == start else 0


class Reservation(NamedTuple):
    """What a request takes from one budget until it is settled."""

    budget: HardBudget
    start: int
    end: int
    projected: int
    need: int

    @property
    def counter_id(self) -> str:
        """Names the counter: a period has its own."""
        return f"budget/{self.budget.record.budget_id}/{self.start}/{self.budget.scale}"


class BudgetTable:
    """The hard budgets in force. What it found is remembered, which changes nothing that a reader can see."""

    def __init__(self, records: Iterable[BudgetRecord] = (), *, is_heard: bool = True) -> None:
        """`is_heard` is False while nobody has said which budgets there are."""
        self._by_owner: dict[tuple[str, BudgetScope, str], list[HardBudget]] = {}
        self._found: dict[Owner, tuple[HardBudget, ...]] = {}
        for record in sorted(records, key=lambda record: record.budget_id):
            if record.is_hard and not record.is_deleted and _is_understood(record):
                owner = record.tenant_id, record.scope, record.scope_id
                self._by_owner.setdefault(owner, []).append(HardBudget(record))
        self.is_heard = is_heard
        self.is_empty = is_heard and not self._by_owner
        """Whether no request needs another look."""

    def of(self, owner: Owner) -> tuple[HardBudget, ...]:
        """Return the budgets that a request of this tenant, project, user and key falls under."""
        found = self._found.get(owner)
        if found is None:
            if len(self._found) >= _SUBJECTS_MOST:
                self._found.clear()
            tenant_id, project_id, user_id, key_id = owner
            ids = scope_ids(tenant_id=tenant_id, project_id=project_id, user_id=user_id, key_id=key_id)
            found = self._found[owner] = tuple(
                budget
                for scope, scope_id in ids.items()
                for budget in self._by_owner.get((tenant_id, scope, scope_id), ())
            )
        return found


NO_BUDGETS: Final = BudgetTable()
UNHEARD: Final = BudgetTable(is_heard=False)


class SavedCounter(NamedTuple):
    """A counter as it is kept over a restart."""

    start: int
    epoch: int
    projected: int
    settled: int


class BudgetCounter:
    """What is spent of a budget in one period: settled, and reserved by requests in flight.

    The ledger's figure comes late and has everything; this one is at once and has what it saw. What is spent is the
    greater of them, so within an epoch it only grows. In a new epoch the ledger's figure may be less: then what was
    settled here and had not come to the ledger yet is kept on top of it.
    """

    __slots__ = ("epoch", "outstanding", "projected", "settled", "start")

    def __init__(self, start: int, epoch: int, projected: int) -> None:
        self.start = start
        self.epoch = epoch
        self.projected = projected
        self.settled = projected
        self.outstanding = 0

    @classmethod
    def restored(cls, saved: "SavedCounter") -> "BudgetCounter":
        """Return what a router before this one had counted; what was in flight there is over."""
        counter = cls(saved.start, saved.epoch, saved.projected)
        counter.settled = max(saved.projected, saved.settled)
        return counter

    def to_save(self) -> "SavedCounter":
        return SavedCounter(self.start, self.epoch, self.projected, self.settled)

    @property
    def used(self) -> int:
        return self.settled + self.outstanding

    def hear(self, epoch: int, projected: int) -> None:
        """Take in what metering says."""
        if epoch > self.epoch:
            self.settled = projected + max(0, self.settled - self.projected)
            self.epoch, self.projected = epoch, projected
        elif epoch == self.epoch and projected > self.projected:
            self.projected = projected
            self.settled = max(self.settled, projected)

    def admits(self, need: int, amount: int, share: int) -> bool:
        """Say whether there is room. Of `share` routers that do not see each other's counts each may use its part of
        what the ledger says is left."""
        own = self.settled - self.projected + self.outstanding + need
        return self.projected + own * share <= amount

    def settle(self, need: int, used: int) -> None:
        """A reservation ends: this was really used."""
        self.outstanding -= need
        self.settled += used


def _is_understood(record: BudgetRecord) -> bool:
    kinds = (record.scope, record.unit, record.period)
    return not any(kind in (BudgetScope.UNKNOWN, BudgetUnit.UNKNOWN, BudgetPeriod.UNKNOWN) for kind in kinds)

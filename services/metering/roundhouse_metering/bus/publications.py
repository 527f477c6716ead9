"""The buckets of metering: prices and budgets. Each is made equal to SQL: after a change, and again and again."""

import asyncio
from collections.abc import Callable, Mapping

from roundhouse_common.bus.api import Bus
from roundhouse_common.bus.publisher import Publisher
from roundhouse_common.contracts.money import BudgetRecord, PriceRecord
from roundhouse_common.contracts.registry import BUDGETS, PRICES
from roundhouse_common.database import Database
from roundhouse_common.runtime import Clock
from roundhouse_metering.domain.budgets import budget_record
from roundhouse_metering.store.budgets import all_budgets, spent_of
from roundhouse_metering.store.prices import prices_to_publish

__all__ = ["Publications"]

_KEEP_ENDED_S = 86_400.0
"""Requests that were admitted under a price settle by it: none runs longer than this."""
_TURN_S = 300.0
"""A new period begins without anybody's doing: routers know it by themselves, and hear it from here this much later."""


class Publications:
    """Publishes what routers read of metering."""

    def __init__(
        self, db: Database, bus: Bus, clock: Clock, *, every_s: float, on_change: Callable[[], None] = lambda: None
    ) -> None:
        """Budgets change with every record: they are published `every_s` at the most. `on_change` is told of it too."""
        self._on_change = on_change
        self._db = db
        self._clock = clock
        self._every_s = every_s
        self._changed = asyncio.Event()
        self.prices = Publisher(bus, PRICES, desired=self._prices, prune=True)
        self.budgets = Publisher(bus, BUDGETS, desired=self._budgets)

    def prices_changed(self) -> None:
        self.prices.wake()

    def budgets_changed(self) -> None:
        """Say that something was spent, or a budget changed. Cheap; many calls make one look."""
        self._changed.set()
        self._on_change()

    async def pace(self) -> None:
        """Look at the budgets soon after they changed, but not at every record."""
        while True:
            try:
                async with asyncio.timeout(_TURN_S):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            self.budgets.wake()
            await asyncio.sleep(self._every_s)

    async def rebuild(self) -> dict[str, int]:
        """Write every entry again and return how many by bucket. Raises BusUnavailable."""
        return {PRICES.subject: await self.prices.rebuild(), BUDGETS.subject: await self.budgets.rebuild()}

    async def _prices(self) -> Mapping[str, PriceRecord]:
        async with self._db.read() as session:
            found = await prices_to_publish(session, self._clock.now() - _KEEP_ENDED_S)
        return {price.price_id: price for price in found}

    async def _budgets(self) -> Mapping[str, BudgetRecord]:
        now = self._clock.now()
        async with self._db.read() as session:
            found = await all_budgets(session)
            spent = await spent_of(session, found, now)
        return {budget.budget_id: budget_record(budget, spent[budget.budget_id].spent, now) for budget in found}

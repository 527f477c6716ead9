"""The prices that costs are computed by, as they are at the moment of a transaction."""

from sqlalchemy import select

from roundhouse_common.contracts.money import PriceRecord
from roundhouse_common.database import ReadSession, WriteSession, upsert
from roundhouse_common.pricing import PriceTable
from roundhouse_metering.store.money_tables import generations, prices

__all__ = ["PriceCache", "all_prices", "next_generation"]

_NAME = "prices"


class PriceCache:
    """Keeps the table of prices that was read last, for as long as no price has changed."""

    def __init__(self) -> None:
        self._generation = -1
        self._table = PriceTable()

    async def current(self, session: ReadSession) -> PriceTable:
        """Return the prices as this transaction sees them."""
        statement = select(generations.c.value).where(generations.c.name == _NAME)
        generation = await session.scalar(statement) or 0
        if generation != self._generation:
            self._table, self._generation = PriceTable(await all_prices(session)), generation
        return self._table


async def all_prices(session: ReadSession) -> list[PriceRecord]:
    """Return every line of every version."""
    return [PriceRecord(**row._mapping) for row in await session.execute(select(prices).order_by(prices.c.price_id))]


async def next_generation(session: WriteSession, name: str = _NAME) -> int:
    """Note a change, and return its number."""
    value = 1 + (await session.scalar(select(generations.c.value).where(generations.c.name == name)) or 0)
    await session.execute(
        upsert(session.dialect, generations, key=["name"], update=["value"]), {"name": name, "value": value}
    )
    return value

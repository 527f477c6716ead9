"""Price books. A version is written once; what it ends is marked in the same transaction."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import and_, case, func, insert, or_, select, update

from roundhouse_common.contracts.money import PriceRecord
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_metering.domain.price_books import BookVersion
from roundhouse_metering.store.costs import next_generation
from roundhouse_metering.store.money_tables import price_versions, prices

__all__ = ["book_versions", "currency_in_use", "insert_version", "newest_version", "prices_of", "prices_to_publish"]

_FIELDS = tuple(name for name in PriceRecord.__struct_fields__ if name != "is_deleted")
_COLUMNS = tuple(prices.c[name] for name in _FIELDS)


async def insert_version(session: WriteSession, version: BookVersion, lines: Sequence[PriceRecord]) -> None:
    """Put in a version, which ends all others of its book at its start."""
    await session.execute(insert(price_versions), asdict(version))
    start = version.valid_from
    is_longer = or_(prices.c.valid_until == 0, prices.c.valid_until > start)
    # One that would have begun later never does: it ends at its own start.
    end = case((prices.c.valid_from > start, prices.c.valid_from), else_=start)
    await session.execute(
        update(prices)
        .where(prices.c.book == version.book, prices.c.version < version.version, is_longer)
        .values(valid_until=end)
    )
    if lines:
        await session.execute(insert(prices), [_values(line) for line in lines])
    await next_generation(session)


async def newest_version(session: ReadSession, book: str) -> int:
    """Return the number of the book's newest version; 0: there is none."""
    return await session.scalar(select(func.max(price_versions.c.version)).where(price_versions.c.book == book)) or 0


async def currency_in_use(session: ReadSession) -> str | None:
    """Return the currency of all prices; None while there are none."""
    return await session.scalar(select(price_versions.c.currency).limit(1))


async def book_versions(session: ReadSession, book: str | None = None) -> list[BookVersion]:
    """Return versions by book and number, of one book or of all."""
    statement = select(price_versions).order_by(price_versions.c.book, price_versions.c.version)
    if book is not None:
        statement = statement.where(price_versions.c.book == book)
    return [BookVersion(**row._mapping) for row in await session.execute(statement)]


async def prices_of(session: ReadSession, book: str, version: int) -> list[PriceRecord]:
    """Return the lines of a version in the order in which they were written."""
    wanted = and_(prices.c.book == book, prices.c.version == version)
    return [_price(row) for row in await session.execute(select(*_COLUMNS).where(wanted).order_by(prices.c.price_id))]


async def prices_to_publish(session: ReadSession, ended_before: float) -> list[PriceRecord]:
    """Return the lines that are or will be valid, or were until a while ago."""
    is_current = or_(prices.c.valid_until == 0, prices.c.valid_until >= ended_before)
    return [_price(row) for row in await session.execute(select(*_COLUMNS).where(is_current))]


def _values(line: PriceRecord) -> dict[str, Any]:
    return {name: getattr(line, name) for name in _FIELDS}


def _price(row: Any) -> PriceRecord:  # Any: a row of `_COLUMNS`
    return PriceRecord(**row._asdict())

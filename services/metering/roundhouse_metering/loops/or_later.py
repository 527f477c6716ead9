"""A turn of a loop that the database may miss."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from structlog.typing import FilteringBoundLogger

from roundhouse_common.database import DatabaseBusy, DatabaseUnavailable

__all__ = ["or_later"]

_T = TypeVar("_T")


async def or_later(log: FilteringBoundLogger, event: str, work: Callable[[], Awaitable[_T]]) -> _T | None:
    """Do it and return what it returns; None when it is left to the next time, because the database is away or busy."""
    try:
        return await work()
    except (DatabaseUnavailable, DatabaseBusy) as error:
        log.warning(event, why=error.message)
        return None

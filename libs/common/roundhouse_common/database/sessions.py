"""Two session types: one can only look, one can change. A function's signature says which it needs."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, TypeVarTuple, overload

from sqlalchemy import CompoundSelect, Connection, CursorResult, Executable, ScalarResult, Select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from roundhouse_common.database.types import DialectName

__all__ = ["Parameters", "ReadSession", "WriteSession"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
AnyRow = tuple[Any, ...]
"""Any: the columns of a statement built at run time are not known to the type checker."""
Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class ReadSession:
    """A consistent look at the database. Takes only SELECT; the database itself refuses everything else too."""

    def __init__(self, connection: AsyncConnection, dialect: DialectName) -> None:
        self._connection = connection
        self.dialect: DialectName = dialect

    async def execute(
        self, statement: Select[*Ts] | CompoundSelect[*Ts], parameters: Parameters | None = None
    ) -> CursorResult[*Ts]:
        """Run a query; all its rows are fetched."""
        if not isinstance(statement, Select | CompoundSelect):
            raise TypeError(f"a ReadSession runs only SELECT, not {type(statement).__name__}; use Database.write()")
        return await self._connection.execute(statement, parameters)

    async def scalar(self, statement: Select[T] | CompoundSelect[T], parameters: Parameters | None = None) -> T | None:
        """Return the first column of the first row, or None."""
        return (await self.execute(statement, parameters)).scalar()

    async def scalars(
        self, statement: Select[T] | CompoundSelect[T], parameters: Parameters | None = None
    ) -> ScalarResult[T]:
        """Return the first column of every row."""
        return (await self.execute(statement, parameters)).scalars()


class WriteSession(ReadSession):
    """One transaction. It commits when its block ends and rolls back when the block raises."""

    def __init__(self, connection: AsyncConnection, dialect: DialectName) -> None:
        super().__init__(connection, dialect)
        self._after_commit: list[Callable[[], None]] = []

    @overload
    async def execute(
        self, statement: Select[*Ts] | CompoundSelect[*Ts], parameters: Parameters | None = None
    ) -> CursorResult[*Ts]: ...

    @overload
    async def execute(self, statement: Executable, parameters: Parameters | None = None) -> CursorResult[*AnyRow]: ...

    async def execute(self, statement: Executable, parameters: Parameters | None = None) -> CursorResult[*AnyRow]:
        """Run any statement; a list of parameters runs it once for each."""
        return await self._connection.execute(statement, parameters)

    async def execute_many(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run SQL in the driver's own style for each row: where preparing many rows costs more than writing them."""
        await self._connection.exec_driver_sql(statement, list(rows))

    async def copy(self, table: str, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows by Postgres' COPY, of which none may break a constraint: there is no ON CONFLICT, but it costs
        half of an INSERT with as many values."""
        driver: Any = (await self._connection.get_raw_connection()).driver_connection  # Any: it is asyncpg's
        try:
            await driver.copy_records_to_table(table, columns=names, records=rows)
        except Exception as error:
            if is_lost := driver.is_closed():
                await self._connection.invalidate(error)
            raise DBAPIError(f"COPY {table}", None, error, connection_invalidated=is_lost) from error

    async def run_sync(self, work: Callable[[Connection], None]) -> None:
        """Give a synchronous connection of this transaction to SQLAlchemy's schema tools."""
        await self._connection.run_sync(work)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Roll back only this block when it raises. Needed around what may break a constraint and is caught:
        on Postgres a failed statement spoils the rest of its transaction."""
        async with self._connection.begin_nested():
            yield

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call it once the transaction has committed, not when it rolls back: for wake-ups, which may be lost."""
        self._after_commit.append(call)

    def committed(self) -> None:
        """Run the after-commit calls. For `Database` only."""
        for call in self._after_commit:
            call()

"""`Database`: transactions on SQLite or Postgres with the same promises.

On both, a read is one consistent snapshot that cannot write, and writes of one service run one after the other:
SQLite has a single writer anyway (BEGIN IMMEDIATE), and on Postgres every write transaction takes the service's
advisory lock. So code that is right on one is right on the other, and outbox ids are in commit order.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from sqlalchemy import Connection, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from roundhouse_common.database import sqlite_file
from roundhouse_common.database.failures import DatabaseBusy, DatabaseUnavailable, ValueNotStorable, translated
from roundhouse_common.database.locks import lock_key
from roundhouse_common.database.migrate import MIGRATION_LOCK_TIMEOUT_S, MigrationOrder, bring_to_head
from roundhouse_common.database.sessions import ReadSession, WriteSession
from roundhouse_common.database.types import DialectName

__all__ = ["Database", "DatabaseBusy", "DatabaseUnavailable", "ValueNotStorable"]

_LOCK_TIMEOUT_S: Final = 10
"""How long a transaction waits for another one before it fails with DatabaseBusy."""
_STATEMENT_TIMEOUT_S: Final = 60
_READERS: Final = 4
SqliteConnect = Callable[[str], Awaitable[Any]]
"""Opens the file at a path. Any: an aiosqlite connection, whose interface SQLAlchemy adapts."""
_WRITE_LOCK: Final = text("SELECT pg_advisory_xact_lock(:key)")


class Database:
    """The database of one service. Enter it once per process; sessions may be opened from any task.

    `connect` opens SQLite files in another way than aiosqlite's: a simulation on virtual time has no threads.
    """

    dialect: DialectName

    def __init__(self, url: str, *, service: str, connect: SqliteConnect | None = None) -> None:
        self._url = make_url(url)
        self._connect = connect
        self._service = service
        self.schema = service.replace("-", "_")
        self._write_lock_key = lock_key(f"roundhouse.{self.schema}.write")
        match self._url.drivername:
            case "sqlite+aiosqlite" if self._url.database not in (None, "", ":memory:"):
                self.dialect = "sqlite"
                self._reader = self._sqlite_engine("BEGIN", pool_size=_READERS, pragmas={"query_only": "ON"})
                self._writer = self._sqlite_engine("BEGIN IMMEDIATE", pool_size=1)
            case "postgresql+asyncpg":
                self.dialect = "postgresql"
                self._reader = self._writer = self._postgres_engine()
            case _:
                raise ValueError(
                    f"database_url must begin with sqlite+aiosqlite:/// and a file, or with postgresql+asyncpg://, "
                    f"not {self._url.render_as_string(hide_password=True)!r}"
                )

    async def __aenter__(self) -> Self:
        await self._prepare()
        try:
            async with self.write():
                pass
        except BaseException:
            await self._dispose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._dispose()

    async def _dispose(self) -> None:
        await self._writer.dispose()
        await self._reader.dispose()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        """Open a snapshot for looking. Raises DatabaseUnavailable or DatabaseBusy."""
        async with self._transaction(self._reader, read_only=True) as connection:
            yield ReadSession(connection, self.dialect)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[WriteSession]:
        """Open a transaction: commits at the end of the block, rolls back when it raises.

        Keep it short and wait for nothing but the database in it: it holds up the service's other writers.
        Raises DatabaseUnavailable or DatabaseBusy; then nothing was written, except that a connection lost during
        the commit itself leaves the outcome open.
        """
        async with self._transaction(self._writer, read_only=False) as connection:
            if self.dialect == "postgresql":
                await connection.execute(_WRITE_LOCK, {"key": self._write_lock_key})
            session = WriteSession(connection, self.dialect)
            yield session
        session.committed()

    async def migrate(self, migrations: str) -> None:
        """Bring the schema to the newest version in the package `migrations`; at once when it is there already.

        Several processes may do it at the same time: one migrates, the others wait for it.
        """
        await self._prepare()
        url = self._url.render_as_string(hide_password=False)
        order = MigrationOrder(url=url, service=self._service, migrations=migrations, path=sys.path)
        engine = self.migration_engine()
        try:
            await bring_to_head(engine, order)
        except (DBAPIError, OSError) as error:
            raise translated(error, self.schema) from error
        finally:
            await engine.dispose()

    @asynccontextmanager
    async def migrated(self, migrations: str) -> AsyncIterator[Self]:
        """Open the database at the newest version of its schema: what a service gives to `Service.resource`."""
        await self.migrate(migrations)
        async with self:
            yield self

    async def _prepare(self) -> None:
        if self.dialect == "sqlite":
            await asyncio.to_thread(sqlite_file.prepare, Path(self._url.database or ""), timeout_s=_LOCK_TIMEOUT_S)

    @asynccontextmanager
    async def _transaction(self, engine: AsyncEngine, *, read_only: bool) -> AsyncIterator[AsyncConnection]:
        async with AsyncExitStack() as stack:
            try:
                connection = await stack.enter_async_context(engine.connect())
                if read_only and self.dialect == "postgresql":
                    await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                await connection.begin()
            except (DBAPIError, PoolTimeout, OSError) as error:
                raise translated(error, self.schema) from error
            try:
                yield connection
                await connection.commit()
            except DBAPIError as error:
                failure = translated(error, self.schema)
                if failure is error:
                    raise
                raise failure from error

    def _sqlite_engine(
        self,
        begin: Literal["BEGIN", "BEGIN IMMEDIATE"],
        *,
        pool_size: int,
        pragmas: Mapping[str, str] | None = None,
        lock_timeout_s: float | None = None,
    ) -> AsyncEngine:
        # isolation_level None: the driver starts no transactions by itself, the "begin" event below does.
        how: dict[str, Any] = {"connect_args": {"isolation_level": None, "timeout": _LOCK_TIMEOUT_S}}
        if self._connect is not None:
            how = {"async_creator": partial(self._connect, self._url.database or "")}
        engine = create_async_engine(
            self._url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=_LOCK_TIMEOUT_S,
            **how,
            json_serializer=str,
            json_deserializer=str,
        )
        _on_sqlite_connect(engine, pragmas or {})
        _on_begin(engine, begin)
        return engine

    def _postgres_engine(self, **options: Any) -> AsyncEngine:  # Any: passed through to create_async_engine
        settings = {
            "search_path": self.schema,
            "application_name": f"roundhouse-{self.schema}",
            "lock_timeout": f"{_LOCK_TIMEOUT_S}s",
            "statement_timeout": f"{_STATEMENT_TIMEOUT_S}s",
            "idle_in_transaction_session_timeout": f"{_STATEMENT_TIMEOUT_S}s",
        }
        defaults: dict[str, Any] = {"pool_size": 4, "max_overflow": 6, "pool_timeout": _LOCK_TIMEOUT_S}
        return create_async_engine(
            self._url,
            pool_pre_ping=True,
            connect_args={"server_settings": settings, "timeout": _LOCK_TIMEOUT_S},
            # The Json type encodes by itself: see `types.py`.
            json_serializer=str,
            json_deserializer=str,
            **(options or defaults),
        )

    def migration_engine(self) -> AsyncEngine:
        """Return an engine for changing the schema. For `migrate` and its child process only."""
        if self.dialect == "postgresql":
            return self._postgres_engine(poolclass=NullPool)
        # Alembic changes a SQLite table by copying it; with foreign keys on, dropping the old one empties its children.
        return self._sqlite_engine(
            "BEGIN IMMEDIATE", pool_size=1, pragmas={"foreign_keys": "OFF"}, lock_timeout_s=MIGRATION_LOCK_TIMEOUT_S
        )


def _on_sqlite_connect(engine: AsyncEngine, pragmas: Mapping[str, str]) -> None:
    wanted = {"synchronous": "FULL", "foreign_keys": "ON", **pragmas}

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, _record: Any) -> None:  # Any: the driver's adapter has no public type
        cursor = connection.cursor()
        for name, value in wanted.items():
            cursor.execute(f"PRAGMA {name}={value}")
        cursor.close()


def _on_begin(engine: AsyncEngine, statement: str) -> None:
    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

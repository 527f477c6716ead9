"""SQLite as the record: durable settings, private files, several processes at once."""

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select, text

from roundhouse_common.database import Database, DatabaseBusy, DatabaseUnavailable, sqlite_file
from tests.support.databases import database

METADATA = MetaData()
COUNTERS = Table(
    "counters", METADATA, Column("id", Integer, primary_key=True), Column("count", Integer, nullable=False)
)

_INCREMENTS = 100
_WRITER = f"""
import asyncio, sys
from sqlalchemy import text
from roundhouse_common.database import Database

async def main():
    async with Database(sys.argv[1], service="test") as db:
        for _ in range({_INCREMENTS}):
            async with db.write() as session:
                seen = (await session.execute(text("SELECT count FROM counters"))).scalar_one()
                await session.execute(text("UPDATE counters SET count = :n"), {{"n": seen + 1}})

asyncio.run(main())
"""


async def test_two_processes_write_at_once_without_an_error_or_a_lost_update(sqlite_url: str) -> None:
    async with database(sqlite_url, METADATA) as db:
        async with db.write() as session:
            await session.execute(insert(COUNTERS).values(id=1, count=0))
        writers = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", _WRITER, sqlite_url, stderr=asyncio.subprocess.PIPE
            )
            for _ in range(2)
        ]
        outputs = [await writer.communicate() for writer in writers]
        assert [output[1].decode() for output in outputs] == ["", ""]
        async with db.read() as reader:
            assert await reader.scalar(select(COUNTERS.c.count)) == 2 * _INCREMENTS


_TRY_TO_WRITE = """
import sqlite3, sys

connection = sqlite3.connect(sys.argv[1].removeprefix("sqlite+aiosqlite:///"), timeout=0)
try:
    connection.execute("BEGIN IMMEDIATE")
    print("not locked")
except sqlite3.OperationalError as error:
    print("locked" if "locked" in str(error) else error)
"""


_OPENER = """
import sys
from pathlib import Path
from roundhouse_common.database.sqlite_file import prepare

for line in sys.stdin:
    prepare(Path(line.strip()), timeout_s=10)
    print("ok", flush=True)
"""


async def test_any_number_of_processes_may_open_a_new_file_at_the_same_moment(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        openers = [await stack.enter_async_context(_opener()) for _ in range(4)]
        for number in range(60):
            for opener in openers:
                assert opener.stdin is not None
                opener.stdin.write(f"{tmp_path}/{number}.db\n".encode())
            for opener in openers:
                assert opener.stdout is not None
                answer = await asyncio.wait_for(opener.stdout.readline(), timeout=30)
                assert answer.decode() == "ok\n", f"file {number}"


@asynccontextmanager
async def _opener() -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    opener = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _OPENER), stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    try:
        yield opener
    finally:
        if opener.returncode is None:
            opener.kill()
        await opener.wait()


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 10_000)]
)
async def test_every_connection_is_durable_and_patient(sqlite_url: str, pragma: str, value: object) -> None:
    async with Database(sqlite_url, service="test") as db:
        async with db.write() as writer:
            assert (await writer.execute(text(f"PRAGMA {pragma}"))).scalar() == value
        async with db.read() as reader:
            assert (await reader._connection.exec_driver_sql(f"PRAGMA {pragma}")).scalar() == value


async def test_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    async with database(f"sqlite+aiosqlite:///{tmp_path}/state/test.db", METADATA) as db, db.write() as session:
        await session.execute(insert(COUNTERS).values(id=1, count=0))
        files = [tmp_path / "state" / name for name in ("test.db", "test.db-wal", "test.db-shm")]
        assert [stat.S_IMODE(os.stat(file).st_mode) for file in files] == [0o600] * 3
        assert stat.S_IMODE(os.stat(tmp_path / "state").st_mode) == 0o700


async def test_writer_that_waits_too_long_is_told_that_the_database_is_busy(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roundhouse_common.database.database._LOCK_TIMEOUT_S", 0.1)
    async with database(sqlite_url, METADATA) as db, database(sqlite_url, METADATA) as other, db.write():
        with pytest.raises(DatabaseBusy):
            await other.write().__aenter__()


async def test_file_that_cannot_be_opened_is_unavailable_and_says_which(tmp_path: Path) -> None:
    (tmp_path / "test.db").mkdir()
    with pytest.raises(DatabaseUnavailable, match=r"test\.db is not a file that this program may read and write"):
        await Database(f"sqlite+aiosqlite:///{tmp_path}/test.db", service="test").__aenter__()


async def test_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseUnavailable, match=r"file/test\.db cannot be made: File exists"):
        await Database(f"sqlite+aiosqlite:///{tmp_path}/file/test.db", service="test").__aenter__()


async def test_opening_a_database_twice_in_a_process_does_not_drop_its_locks(sqlite_url: str) -> None:
    async with database(sqlite_url, METADATA) as db, db.write() as session:
        await session.execute(insert(COUNTERS).values(id=1, count=0))
        async with Database(sqlite_url, service="test").read() as other:
            assert await other.scalar(select(COUNTERS.c.count)) is None
        sqlite_file.prepare(Path(sqlite_url.removeprefix("sqlite+aiosqlite:///")), timeout_s=1.0)
        outsider = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _TRY_TO_WRITE, sqlite_url), stdout=asyncio.subprocess.PIPE
        )
        assert (await outsider.communicate())[0].decode().strip() == "locked"


async def test_file_that_is_no_database_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    path.write_bytes(b"this is a letter, not a database" * 100)
    with pytest.raises(DatabaseUnavailable, match="file is not a database"):
        await Database(f"sqlite+aiosqlite:///{path}", service="test").__aenter__()
    assert path.read_bytes().startswith(b"this is a letter")

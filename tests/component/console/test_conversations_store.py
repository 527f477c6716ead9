"""Conversations: kept per person and tenant, over releases, on both databases."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import text

from roundhouse_common.database import Database
from roundhouse_common.runtime import SystemIds
from roundhouse_console import migrations
from roundhouse_console.clients.conversations import Conversations
from roundhouse_console.domain.conversations import Answer, Conversation, Reply, Step, Turn
from roundhouse_console.domain.errors import ConsoleError
from roundhouse_console.store.conversations import Owner
from roundhouse_console.store.preferences import all_of
from roundhouse_console.store.tables import metadata
from tests.support.databases import Migrate, schema_differences
from tests.support.metering_api import CLOCK

_PACKAGE = "roundhouse_console.migrations"


@pytest_asyncio.fixture
async def db(database_url: str, migrated: Migrate) -> AsyncIterator[Database]:
    await migrated(database_url, "console")
    async with Database(database_url, service="console") as made:
        yield made


def of(db: Database, user: str, tenant: str = "ten_a") -> Conversations:
    return Conversations(db, lambda: Owner(user, tenant), clock=CLOCK, ids=SystemIds())


def asked(prompt: str, answer: str = "") -> Conversation:
    said = Answer(model="smol", steps=[Step(text=answer)])
    return Conversation(turns=[Turn(id="t1", text=prompt, replies={"a": Reply(versions=[said])})])


@pytest.mark.usefixtures("migrations_here")
async def test_migrations_make_the_declared_schema(database_url: str) -> None:
    async with Database(database_url, service="console") as db:
        await db.migrate(_PACKAGE)
    assert await schema_differences(database_url, metadata, service="console") == []


@pytest.mark.usefixtures("migrations_here")
async def test_preferences_of_the_last_release_stay(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = tmp_path / "earlier_console_migrations"
    shutil.copytree(Path(next(iter(migrations.__path__))), earlier)
    for file in (earlier / "versions").glob("*.py"):
        if file.name[:4] > "0001":
            file.unlink()
    monkeypatch.syspath_prepend(str(tmp_path))
    async with Database(database_url, service="console") as db:
        await db.migrate(earlier.name)
        async with db.write() as session:
            await session.execute(text("INSERT INTO preferences (user_id, name, value) VALUES ('u', 'theme', 'dark')"))
        await db.migrate(_PACKAGE)
        async with db.read() as session:
            assert await all_of(session, "u") == {"theme": "dark"}
        assert await of(db, "u").listed() == []


async def test_what_was_said_is_found_again(db: Database) -> None:
    own = of(db, "usr_1")
    kept = await own.keep(None, asked("What is gravity?\0", "A force."))
    kept = await own.keep(kept, asked("What is gravity?", "It is 100% attraction."))
    found = await own.find(kept.listed.id)
    assert found is not None
    assert (found.listed.title, found.revision, found.conversation.turns[0].text) == (
        "What is gravity?",
        2,
        "What is gravity?",
    )
    assert [one.id for one in await own.listed("ATTRACTION gravity")] == [kept.listed.id]
    assert [one.id for one in await own.listed("100%")] == [kept.listed.id]
    assert await own.listed("1_0%") == []


async def test_nobody_reads_or_changes_those_of_others(db: Database) -> None:
    kept = await of(db, "usr_1").keep(None, asked("A secret"))
    one = kept.listed.id
    for stranger in (of(db, "usr_2"), of(db, "usr_1", "ten_b")):
        assert await stranger.find(one) is None
        assert await stranger.listed() == []
        await stranger.remove(one)
        await stranger.move(one, title="Taken", folder="Mine")
        await stranger.rename_folder("", "Mine")
        with pytest.raises(ConsoleError):
            await stranger.keep(kept, asked("Changed"))
    found = await of(db, "usr_1").find(one)
    assert found is not None
    assert (found.listed, found.revision) == (kept.listed, 1)


async def test_two_windows_do_not_overwrite_each_other(db: Database) -> None:
    own = of(db, "usr_1")
    first = await own.keep(None, asked("One"))
    await own.keep(first, asked("One", "from the other window"))
    with pytest.raises(ConsoleError, match="another window"):
        await own.keep(first, asked("One", "from this window"))


async def test_renaming_moving_and_deleting(db: Database) -> None:
    own = of(db, "usr_1")
    kept = await own.keep(None, asked("One", "two"))
    await own.move(kept.listed.id, title="  Better\n name ", folder=" Work/ ")
    assert [(one.title, one.folder) for one in await own.listed("better two")] == [("Better name", "Work")]
    await own.rename_folder("Work", "Home")
    assert [one.folder for one in await own.listed()] == ["Home"]
    await own.remove(kept.listed.id)
    assert await own.listed() == []


async def test_one_that_is_too_large_is_refused(db: Database) -> None:
    with pytest.raises(ConsoleError, match="too large"):
        await of(db, "usr_1").keep(None, asked("x" * 9_000_000))

"""`Database.migrate`: any version to the newest one, on both databases, by any number of processes at once."""

import asyncio
import sys
from pathlib import Path

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, insert, select, text

from roundhouse_common.database import (
    Database,
    MigrationFailed,
    SchemaTooNew,
    UnixSeconds,
    idempotency_table,
    outbox_table,
)
from tests.support.databases import schema_differences

HERE = pytest.mark.usefixtures("migrations_here")
"""What is shown is what migrations do, and not the process in which services let them run."""
METADATA = MetaData()
PARENTS = Table(
    "parents", METADATA, Column("id", Integer, primary_key=True), Column("name", String(50), nullable=False)
)
CHILDREN = Table(
    "children",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("parent_id", Integer, ForeignKey("parents.id", ondelete="CASCADE"), nullable=False),
    Column("at", UnixSeconds),
)
OUTBOX = outbox_table(METADATA)
IDEMPOTENCY = idempotency_table(METADATA)

_FIRST = """
import sqlalchemy as sa
from alembic import op
from roundhouse_common.database import UnixSeconds, idempotency_table, outbox_table

revision = "0001"
down_revision = None

def upgrade():
    op.create_table("parents", sa.Column("id", sa.Integer, primary_key=True))
    op.create_table(
        "children",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("parent_id", sa.Integer, sa.ForeignKey("parents.id", ondelete="CASCADE"), nullable=False),
        sa.Column("at", UnixSeconds),
    )
    kit = sa.MetaData()
    outbox_table(kit)
    idempotency_table(kit)
    kit.create_all(op.get_bind())
"""
_SECOND = """
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

def upgrade():
    with op.batch_alter_table("parents") as batch:
        batch.add_column(sa.Column("name", sa.String(50), nullable=False, server_default="?"))
    with op.batch_alter_table("parents") as batch:
        batch.alter_column("name", server_default=None)
"""
_BROKEN = """
from alembic import op

revision = "0003"
down_revision = "0002"

def upgrade():
    op.execute("CREATE TABLE half_done (id INTEGER)")
    op.execute("INSERT INTO no_such_table VALUES (1)")
"""
_MIGRATE = """
import asyncio, sys
from roundhouse_common.database import Database

async def main():
    async with Database(sys.argv[1], service="test") as db:
        await db.migrate("example_migrations")

asyncio.run(main())
"""
_ENV = """
from sqlalchemy import MetaData
from roundhouse_common.database import alembic_env

alembic_env.run(MetaData())
"""


class Migrations:
    """A migrations package on disk that grows."""

    package = "example_migrations"

    def __init__(self, root: Path) -> None:
        self.root = root
        self._versions = root / self.package / "versions"
        self._versions.mkdir(parents=True)
        (root / self.package / "__init__.py").touch()
        (root / self.package / "env.py").write_text(_ENV)

    def add(self, name: str, source: str) -> None:
        (self._versions / f"{name}.py").write_text(source)


@pytest.fixture
def migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Migrations:
    example = Migrations(tmp_path / "src")
    monkeypatch.syspath_prepend(str(example.root))
    monkeypatch.delitem(sys.modules, example.package, raising=False)
    example.add("0001_initial", _FIRST)
    return example


@HERE
async def test_migrated_database_has_the_tables_of_the_metadata(database_url: str, migrations: Migrations) -> None:
    migrations.add("0002_names", _SECOND)
    async with Database(database_url, service="node-agent") as db:
        await db.migrate(migrations.package)
    assert await schema_differences(database_url, METADATA, service="node-agent") == []


@HERE
async def test_upgrade_keeps_the_rows_also_of_tables_that_point_to_the_changed_one(
    database_url: str, migrations: Migrations
) -> None:
    async with Database(database_url, service="test") as db:
        await db.migrate(migrations.package)
        async with db.write() as session:
            await session.execute(text("INSERT INTO parents (id) VALUES (1)"))
            await session.execute(insert(CHILDREN).values(id=1, parent_id=1, at=1.0))
        migrations.add("0002_names", _SECOND)
        await db.migrate(migrations.package)
        async with db.read() as reader:
            rows = await reader.execute(select(CHILDREN.c.id, PARENTS.c.name).join(PARENTS))
            assert [tuple(row) for row in rows] == [(1, "?")]


async def test_failed_migration_leaves_the_schema_as_it_was(database_url: str, migrations: Migrations) -> None:
    migrations.add("0002_names", _SECOND)
    async with Database(database_url, service="test") as db:
        await db.migrate(migrations.package)
        migrations.add("0003_broken", _BROKEN)
        with pytest.raises(MigrationFailed, match="no_such_table"):
            await db.migrate(migrations.package)
    assert await schema_differences(database_url, METADATA, service="test") == []


@HERE
async def test_migrating_twice_changes_nothing(database_url: str, migrations: Migrations) -> None:
    async with Database(database_url, service="test") as db:
        await db.migrate(migrations.package)
        await db.migrate(migrations.package)
        async with db.write() as session:
            assert (await session.execute(text("SELECT version_num FROM alembic_version"))).scalars().all() == ["0001"]


@HERE
async def test_database_of_a_newer_release_is_refused_untouched(database_url: str, migrations: Migrations) -> None:
    async with Database(database_url, service="test") as db:
        await db.migrate(migrations.package)
        async with db.write() as session:
            await session.execute(text("UPDATE alembic_version SET version_num = '0099'"))
        with pytest.raises(SchemaTooNew, match="is at 0099, and this program knows no version after 0001"):
            await db.migrate(migrations.package)


async def test_many_may_migrate_at_the_same_time(database_url: str, migrations: Migrations) -> None:
    starters = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _MIGRATE, database_url), cwd=migrations.root, stderr=asyncio.subprocess.PIPE
        )
        for _ in range(3)
    ]
    outputs = [await starter.communicate() for starter in starters]
    assert [output[1].decode() for output in outputs] == [""] * 3


async def test_alembic_is_never_loaded_into_the_service(database_url: str, migrations: Migrations) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", f"{_MIGRATE}print('alembic' in sys.modules)", database_url),
        cwd=migrations.root,
        stdout=asyncio.subprocess.PIPE,
    )
    assert (await process.communicate())[0].decode().strip() == "False"


@HERE
async def test_services_on_one_server_have_versions_of_their_own(postgres_url: str, migrations: Migrations) -> None:
    for service in ("catalog", "scheduler"):
        async with Database(postgres_url, service=service) as db:
            await db.migrate(migrations.package)
    async with Database(postgres_url, service="catalog") as db, db.write() as session:
        schemas = await session.execute(text("SELECT schemaname FROM pg_tables WHERE tablename = 'alembic_version'"))
        assert sorted(schemas.scalars()) == ["catalog", "scheduler"]

"""The migrations make exactly the tables that the code uses, on both databases, and keep what was there."""

import random
import shutil
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Row, select, text

from roundhouse_common.database import Database
from roundhouse_common.pricing import PriceTable
from roundhouse_metering import migrations
from roundhouse_metering.domain.cells import RESOLUTIONS
from roundhouse_metering.domain.usage import UsageFilter, UsageQuery
from roundhouse_metering.loops.usage_rollups import UsageRollups
from roundhouse_metering.store.analytics import usage_figures
from roundhouse_metering.store.ledger import enter, entries
from roundhouse_metering.store.tables import metadata
from roundhouse_metering.store.usage_tables import usage_cells
from tests.support.databases import schema_differences
from tests.support.hand_clock import HandClock
from tests.support.usage import NOON, usage_record

pytestmark = pytest.mark.usefixtures("migrations_here")

LATER = ("input_audio_tokens", "output_audio_tokens", "input_image_tokens", "output_image_tokens")
"""Columns that came with 0013."""


async def test_from_empty_to_the_newest_is_what_the_tables_say(database_url: str) -> None:
    db = Database(database_url, service="metering")
    await db.migrate("roundhouse_metering.migrations")
    assert await schema_differences(database_url, metadata, service="metering") == []


async def test_migrating_twice_changes_nothing(database_url: str) -> None:
    db = Database(database_url, service="metering")
    await db.migrate("roundhouse_metering.migrations")
    await db.migrate("roundhouse_metering.migrations")
    assert await schema_differences(database_url, metadata, service="metering") == []


def migrations_until(last: str, directory: Path) -> str:
    """Return a package of the migrations up to one."""
    package = directory / f"metering_migrations_until_{last}"
    shutil.copytree(Path(next(iter(migrations.__path__))), package)
    for file in (package / "versions").glob("0*.py"):
        if file.name[:4] > last:
            file.unlink()
    return package.name


async def test_records_of_an_earlier_release_are_numbered_and_counted(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    package = migrations_until("0004", tmp_path)
    await Database(database_url, service="metering").migrate(package)
    async with Database(database_url, service="metering") as db:
        async with db.write() as session:
            for record in (usage_record(1), usage_record(2), usage_record(3)):
                values = {**msgspec.structs.asdict(record), "admitted_minute": 1, "recorded_at": NOON}
                values = {name: str(value) if isinstance(value, StrEnum) else value for name, value in values.items()}
                for name in LATER:
                    del values[name]
                names = ", ".join(values)
                places = ", ".join(f":{name}" for name in values)
                await session.execute(text(f"INSERT INTO ledger ({names}) VALUES ({places})").bindparams(**values))
        await db.migrate("roundhouse_metering.migrations")
        async with db.read() as session:
            found = await entries(session, UsageFilter(tenant_id="ten_default"), after=None, limit=10)
            usage = await usage_figures(session, UsageQuery(filter=UsageFilter()), now=NOON)
        async with db.write() as session:
            again = await enter(session, [usage_record(2), usage_record(4)], recorded_at=NOON, prices=PriceTable())
    assert [(entry.entry, entry.record) for entry in found] == [(number, usage_record(number)) for number in (1, 2, 3)]
    assert [amounts["requests"] for amounts in usage.rows.values()] == [3]
    assert [one.record.request_id for one in again] == [usage_record(4).request_id]


@pytest.mark.parametrize("last", ["0011", "0012"])
async def test_cells_of_an_earlier_release_are_kept(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    async with Database(database_url, service="metering") as db:
        await db.migrate(migrations_until(last, tmp_path))
        await change_columns(db, "ADD COLUMN {} BIGINT NOT NULL DEFAULT 0")
        async with db.write() as session:
            records = [usage_record(number) for number in range(1, 20)]
            await enter(session, records, recorded_at=NOON, prices=PriceTable())
        rollups = UsageRollups(db, clock=HandClock(), rng=random.Random(1), registry=CollectorRegistry())
        await rollups.count_all()
        before = await all_cells(db)
        await change_columns(db, "DROP COLUMN {}")
        await db.migrate("roundhouse_metering.migrations")
        assert await all_cells(db) == before
        await rollups.rebuild()
        await rollups.count_all()
        assert await all_cells(db) == before
        async with db.write() as session:
            await enter(session, [usage_record(20, **dict.fromkeys(LATER, 7))], recorded_at=NOON, prices=PriceTable())
        await rollups.count_all()
        async with db.read() as session:
            usage = await usage_figures(session, UsageQuery(filter=UsageFilter()), now=NOON)
    assert {row.resolution_s for row in before} == set(RESOLUTIONS)
    (amounts,) = usage.rows.values()
    assert [amounts[name] for name in ("requests", "input_tokens", *LATER)] == [20, 200, 7, 7, 7, 7]


async def change_columns(db: Database, how: str) -> None:
    """Make, or take away again, what this version needs to count and the earlier one did not have."""
    async with db.write() as session:
        for table in ("ledger", "usage_cells"):
            for name in LATER:
                await session.execute(text(f"ALTER TABLE {table} {how.format(name)}"))


async def all_cells(db: Database) -> Sequence[Row[Any]]:
    async with db.read() as session:
        keys = (usage_cells.c.view, usage_cells.c.resolution_s, usage_cells.c.at, usage_cells.c.series_id)
        return (await session.execute(select(usage_cells).order_by(*keys))).all()

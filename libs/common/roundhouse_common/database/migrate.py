"""Migrations with Alembic, which is loaded only when there is something to migrate: it costs about 11 MB."""

import importlib
import importlib.resources
import re
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from roundhouse_common.database.locks import lock_key
from roundhouse_common.errors import RoundhouseError

__all__ = ["SchemaTooNew", "run_migrations"]

_LOCK_TIMEOUT_S: Final = 120
"""How long to wait for another process that migrates."""
_VERSION_TABLE: Final = "alembic_version"
_REVISION: Final = re.compile(r"^(revision|down_revision)\b[^=\n]*=\s*(.+)$", re.MULTILINE)
_LOCK: Final = text("SELECT pg_advisory_xact_lock(:key)")
_QUOTED: Final = re.compile(r"[\"']([^\"']+)[\"']")


class SchemaTooNew(RoundhouseError):
    """A newer release has migrated the database; this one must not touch it."""

    code = "schema_too_new"


async def run_migrations(engine: AsyncEngine, migrations: str, *, schema: str) -> None:
    """Upgrade to head in one transaction that excludes other migrators. Idempotent. Raises SchemaTooNew."""
    directory = Path(str(importlib.resources.files(migrations)))
    async with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            await _lock_and_create_schema(connection, schema)
        current = await connection.run_sync(_versions)
        known, heads = _revisions(directory)
        if not current <= known:
            raise SchemaTooNew(
                f"The database of {schema} is at {', '.join(sorted(current - known))}, and this program knows no "
                f"version after {', '.join(sorted(heads))}: start the release that migrated it."
            )
        if current != heads:
            await connection.run_sync(_upgrade, directory)
        if connection.dialect.name == "sqlite":
            await connection.run_sync(_check_foreign_keys)


async def _lock_and_create_schema(connection: AsyncConnection, schema: str) -> None:
    await connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT_S}s'"))
    await connection.execute(_LOCK, {"key": lock_key(f"roundhouse.{schema}.migrate")})
    exists = await connection.execute(text("SELECT 1 FROM pg_namespace WHERE nspname = :name"), {"name": schema})
    if exists.first() is None:
        await connection.execute(text(f'CREATE SCHEMA "{schema}"'))


def _revisions(directory: Path) -> tuple[set[str], set[str]]:
    """Return all revisions, and those that no other one follows, read from the texts without running them."""
    revisions: set[str] = set()
    followed: set[str] = set()
    for file in (directory / "versions").glob("*.py"):
        for name, value in _REVISION.findall(file.read_text(encoding="utf-8")):
            (revisions if name == "revision" else followed).update(_QUOTED.findall(value))
    return revisions, revisions - followed


def _versions(connection: Connection) -> set[str]:
    if not inspect(connection).has_table(_VERSION_TABLE):
        return set()
    return set(connection.execute(text(f"SELECT version_num FROM {_VERSION_TABLE}")).scalars())


def _upgrade(connection: Connection, directory: Path) -> None:
    # Loaded by name: see the top of this module.
    command: Any = importlib.import_module("alembic.command")
    config: Any = importlib.import_module("alembic.config").Config()
    config.set_main_option("script_location", str(directory).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _check_foreign_keys(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise RuntimeError(f"a migration left a row of table {broken[0]} that points to nothing in {broken[2]}")

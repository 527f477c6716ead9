"""`python -m roundhouse_common.database.migration_process`: the child that runs Alembic. See `migrate.py`."""

import asyncio
import sys
import traceback
from pathlib import Path
from typing import Final

import msgspec
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from roundhouse_common.database.database import Database
from roundhouse_common.database.locks import lock_key
from roundhouse_common.database.migrate import MIGRATION_LOCK_TIMEOUT_S, MigrationOrder, directory_of

_LOCK: Final = text("SELECT pg_advisory_xact_lock(:key)")


async def upgrade(order: MigrationOrder) -> None:
    """Upgrade to head in one transaction that excludes other migrators. Idempotent."""
    db = Database(order.url, service=order.service)
    engine = db.migration_engine()
    try:
        async with engine.begin() as connection:
            if db.dialect == "postgresql":
                await _lock_and_create_schema(connection, db.schema)
            await connection.run_sync(_run_alembic, directory_of(order.migrations))
            if db.dialect == "sqlite":
                await connection.run_sync(_check_foreign_keys)
    finally:
        await engine.dispose()


async def _lock_and_create_schema(connection: AsyncConnection, schema: str) -> None:
    await connection.execute(text(f"SET LOCAL lock_timeout = '{MIGRATION_LOCK_TIMEOUT_S}s'"))
    await connection.execute(_LOCK, {"key": lock_key(f"roundhouse.{schema}.migrate")})
    exists = await connection.execute(text("SELECT 1 FROM pg_namespace WHERE nspname = :name"), {"name": schema})
    if exists.first() is None:
        await connection.execute(text(f'CREATE SCHEMA "{schema}"'))


def _run_alembic(connection: Connection, directory: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(directory).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _check_foreign_keys(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise RuntimeError(f"a migration left a row of table {broken[0]} that points to nothing in {broken[2]}")


def main() -> int:
    """Do what the order on standard input says. On failure the last line of standard error tells why."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=MigrationOrder)
    sys.path[:] = order.path
    try:
        asyncio.run(upgrade(order))
    except Exception as error:  # noqa: BLE001 - the end of a process: whatever a migration raises is told to the parent
        traceback.print_exc()
        print(f"{type(error).__name__}: {str(error).splitlines()[0]}", file=sys.stderr)  # noqa: T201 - as above
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

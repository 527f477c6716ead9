"""Migrations with Alembic, in a child process: Alembic would cost the service 11 MB for as long as it lives.

The service itself only compares the version in the database with the newest one in its migrations package.
"""

import asyncio
import importlib.resources
import re
import sys
from pathlib import Path
from typing import Final

import msgspec
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from roundhouse_common.errors import RoundhouseError

__all__ = [
    "MIGRATION_LOCK_TIMEOUT_S",
    "MigrationFailed",
    "MigrationOrder",
    "SchemaTooNew",
    "bring_to_head",
    "directory_of",
]

MIGRATION_LOCK_TIMEOUT_S: Final = 120
"""How long to wait for another process that migrates."""
_VERSION_TABLE: Final = "alembic_version"
_REVISION: Final = re.compile(r"^(revision|down_revision)\b[^=\n]*=\s*(.+)$", re.MULTILINE)
_QUOTED: Final = re.compile(r"[\"']([^\"']+)[\"']")


class SchemaTooNew(RoundhouseError):
    """A newer release has migrated the database; this one must not touch it."""

    code = "schema_too_new"


class MigrationFailed(RoundhouseError):
    """A migration raised; the schema is as it was before. Its notes hold the traceback."""

    code = "migration_failed"


class MigrationOrder(msgspec.Struct, frozen=True):
    """What the child process reads from its standard input: the URL may hold a password."""

    url: str
    service: str
    migrations: str
    path: list[str]
    """The parent's `sys.path`, so that the child finds the same packages."""


def directory_of(migrations: str) -> Path:
    """Return where a migrations package lies."""
    return Path(str(importlib.resources.files(migrations)))


async def bring_to_head(engine: AsyncEngine, order: MigrationOrder) -> None:
    """Upgrade to head unless the database is there already. Raises SchemaTooNew or MigrationFailed."""
    async with engine.connect() as connection:
        current = await connection.run_sync(_versions)
    known, heads = _revisions(directory_of(order.migrations))
    if not current <= known:
        raise SchemaTooNew(
            f"The database of {order.service} is at {', '.join(sorted(current - known))}, and this program knows no "
            f"version after {', '.join(sorted(heads))}: start the release that migrated it."
        )
    if current != heads:
        await _upgrade_in_child(order)


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


async def _upgrade_in_child(order: MigrationOrder) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "roundhouse_common.database.migration_process",
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, errors = await child.communicate(msgspec.json.encode(order))
    finally:
        if child.returncode is None:  # cancelled: its transaction rolls back
            child.kill()
            await child.wait()
    if child.returncode != 0:
        said = errors.decode(errors="replace").strip()
        why = said.splitlines()[-1] if said else f"exit code {child.returncode}"
        failure = MigrationFailed(f"The migration of the database of {order.service} failed: {why}")
        failure.add_note(said)
        raise failure

"""Run by `Database.migrate`."""

from roundhouse_common.database.alembic_env import run
from roundhouse_console.store.tables import metadata

run(metadata)

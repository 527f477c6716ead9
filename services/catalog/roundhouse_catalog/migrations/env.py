"""Run by Alembic for every migration command."""

from roundhouse_catalog.store.tables import metadata
from roundhouse_common.database import alembic_env

alembic_env.run(metadata)

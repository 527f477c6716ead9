"""What every service's `migrations/env.py` runs. Only Alembic imports this module."""

from alembic import context
from sqlalchemy import Connection, MetaData

__all__ = ["run"]


def run(metadata: MetaData) -> None:
    """Run the migrations on the connection that `Database.migrate` opened, inside its transaction."""
    connection: Connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transactional_ddl=True,  # also true on SQLite, because the kit begins its transactions explicitly
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
    )
    context.run_migrations()

"""Which endpoints the engine of a replica has."""

import sqlalchemy as sa
from alembic import op

from roundhouse_common.database import Json

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Rows of the release before: not known until their node reports again.
    op.add_column("replicas", sa.Column("features", Json(), nullable=False, server_default=sa.text("'[]'")))

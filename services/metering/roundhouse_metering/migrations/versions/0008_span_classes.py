"""On which accelerators a replica held what it held, and for which project: prices depend on it."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Spans of before get empty texts: nobody knows it of them."""
    for name in ("device_class", "project_id"):
        op.add_column("replica_spans", sa.Column(name, sa.Text, nullable=False, server_default=sa.text("''")))

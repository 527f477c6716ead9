"""Which project a request was for, which version served it, where, and on what."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Rows of before get empty texts: nobody knows it of them."""
    for name in ("project_id", "region", "device_class", "version_id"):
        op.add_column("ledger", sa.Column(name, sa.Text, nullable=False, server_default=sa.text("''")))

"""Which project a deployment belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Deployments of the release before are in no project.
    op.add_column("deployments", sa.Column("project_id", sa.String(64), nullable=False, server_default=sa.text("''")))


def downgrade() -> None:
    op.drop_column("deployments", "project_id")

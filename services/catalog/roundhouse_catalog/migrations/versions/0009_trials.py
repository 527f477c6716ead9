"""Which deployment people may try a model with."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("models", sa.Column("trial_deployment_id", sa.String(64), nullable=True))


def downgrade() -> None:
    op.drop_column("models", "trial_deployment_id")

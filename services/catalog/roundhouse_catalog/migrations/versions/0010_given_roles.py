"""What roles an identity provider's groups gave somebody, so that they go when nothing gives them any more."""

import sqlalchemy as sa
from alembic import op

from roundhouse_common.database.types import Json

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("external_identities", sa.Column("given_roles", Json(), nullable=False, server_default="{}"))


def downgrade() -> None:
    op.drop_column("external_identities", "given_roles")

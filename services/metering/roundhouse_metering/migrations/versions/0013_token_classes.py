"""Tokens of sound and of images are classes of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_CLASSES = ("input_audio_tokens", "output_audio_tokens", "input_image_tokens", "output_image_tokens")


def upgrade() -> None:
    """Nothing is rewritten: columns with a constant default cost no time, and partitions have them from their table."""
    for table in ("ledger", "usage_cells"):
        for name in _CLASSES:
            op.add_column(table, sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0")))

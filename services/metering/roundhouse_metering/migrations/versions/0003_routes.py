"""Which API, route and provider a request was for, whether its answer was an engine's own work, and what is counted
besides tokens."""

import sqlalchemy as sa
from alembic import op

from roundhouse_common.database import UnixSeconds

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Rows of before get what such requests were: an engine's own work, without sound or images."""
    for column in _columns():
        op.add_column("ledger", column)


def _columns() -> list[sa.Column[object]]:
    return [
        sa.Column("api", sa.Text, nullable=False, server_default=sa.text("''")),
        sa.Column("route_id", sa.Text, nullable=False, server_default=sa.text("''")),
        sa.Column("provider_id", sa.Text, nullable=False, server_default=sa.text("''")),
        sa.Column("reuse", sa.Text, nullable=False, server_default=sa.text("'none'")),
        sa.Column("continuations", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("cache_write_tokens", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("audio_ms", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("images", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("input_characters", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("queued_ms", UnixSeconds, nullable=False, server_default=sa.text("0")),
    ]

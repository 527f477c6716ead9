"""The audit with its triggers; whose API keys may use a deployment or route; what an API key may and from where."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from roundhouse_common.database import Json, UnixSeconds

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_REFUSE_CHANGE = "the audit is append-only: an entry cannot be changed"
_REFUSE_DELETE = "the audit is append-only: only what a seal covers can be deleted"
_KEY_COLUMNS = ("project_id", "models", "ip_ranges", "priority", "previous_sha256", "previous_until", "generation")


def upgrade() -> None:
    _create_audit()
    _create_triggers()
    # What works today goes on working: only new deployments are private.
    op.add_column("deployments", _column("access", sa.String(16), "'tenant'"))
    for name in ("project_id", "previous_sha256"):
        op.add_column("api_keys", _column(name, sa.String(64), "''"))
    for name in ("models", "ip_ranges"):
        op.add_column("api_keys", _column(name, Json(), "'[]'"))
    op.add_column("api_keys", _column("priority", sa.Integer(), "0"))
    op.add_column("api_keys", _column("previous_until", UnixSeconds(), "0"))
    op.add_column("api_keys", _column("generation", sa.BigInteger(), "1"))


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("sequence", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("record_id", sa.String(64), nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("at", UnixSeconds(), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("action", sa.String(128), nullable=False),
        sa.Column("object_kind", sa.String(64), nullable=False),
        sa.Column("object_id", sa.String(256), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_audit"),
        sa.UniqueConstraint("record_id", name="uq_audit_record_id"),
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_index("ix_audit_object_id", "audit", ["object_id"])
    op.create_index("ix_audit_tenant_id_sequence", "audit", ["tenant_id", "sequence"])
    op.create_index("ix_audit_actor_sequence", "audit", ["actor", "sequence"])
    op.create_table(
        "audit_seals",
        sa.Column("last_sequence", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("last_hash", sa.String(64), nullable=False),
        sa.Column("sealed_at", UnixSeconds(), nullable=False),
        sa.Column("sealed_by", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("last_sequence", name="pk_audit_seals"),
    )


def _create_triggers() -> None:
    """Whoever owns the database can drop them; then the chain tells."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"""CREATE FUNCTION audit_keeps() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'audit' THEN
              IF OLD.sequence <= (SELECT COALESCE(MAX(last_sequence), 0) FROM audit_seals) THEN RETURN OLD; END IF;
              RAISE EXCEPTION '{_REFUSE_DELETE}';
            END IF;
            RAISE EXCEPTION '{_REFUSE_CHANGE}';
            END $$"""
        )
        for table in ("audit", "audit_seals"):
            op.execute(
                f"CREATE TRIGGER {table}_keeps BEFORE UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION audit_keeps()"
            )
            op.execute(
                f"CREATE TRIGGER {table}_keeps_all BEFORE TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION audit_keeps()"
            )
        return
    for table in ("audit", "audit_seals"):
        op.execute(
            f"CREATE TRIGGER {table}_keeps BEFORE UPDATE ON {table} BEGIN SELECT RAISE(ABORT, '{_REFUSE_CHANGE}'); END"
        )
    op.execute(
        "CREATE TRIGGER audit_keeps_rows BEFORE DELETE ON audit "
        "WHEN OLD.sequence > (SELECT COALESCE(MAX(last_sequence), 0) FROM audit_seals) "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSE_DELETE}'); END"
    )
    op.execute(
        "CREATE TRIGGER audit_seals_keeps_rows BEFORE DELETE ON audit_seals "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSE_CHANGE}'); END"
    )


# Any: a type of a column, whatever its values are.
def _column(name: str, kind: sa.types.TypeEngine[Any], default: str) -> "sa.Column[Any]":
    return sa.Column(name, kind, nullable=False, server_default=sa.text(default))


def downgrade() -> None:
    op.drop_table("audit")
    op.drop_table("audit_seals")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_keeps()")
    op.drop_column("deployments", "access")
    for name in _KEY_COLUMNS:
        op.drop_column("api_keys", name)

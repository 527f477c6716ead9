"""Logins: passwords, sessions, personal tokens, signing keys, identity providers."""

import sqlalchemy as sa
from alembic import op

from roundhouse_common.database import Json, UnixSeconds

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TABLES = (
    "credentials",
    "login_attempts",
    "sessions",
    "refresh_tokens",
    "personal_tokens",
    "signing_keys",
    "sign_outs",
    "oidc_providers",
    "external_identities",
    "oidc_logins",
)


def upgrade() -> None:
    _create_passwords()
    _create_sessions()
    _create_keys()
    _create_providers()


def _create_passwords() -> None:
    op.create_table(
        "credentials",
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("must_change", sa.Boolean(), nullable=False),
        sa.Column("expires_at", UnixSeconds(), nullable=False),
        sa.Column("changed_at", UnixSeconds(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_credentials"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_credentials_user_id"),
    )
    op.create_table(
        "login_attempts",
        sa.Column("source", sa.String(80), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", UnixSeconds(), nullable=False),
        sa.Column("locked_until", UnixSeconds(), nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_login_attempts"),
    )
    op.create_index("ix_login_attempts_last_at", "login_attempts", ["last_at"])


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("method", sa.String(80), nullable=False),
        sa.Column("client_address", sa.String(64), nullable=False),
        sa.Column("user_agent", sa.String(256), nullable=False),
        sa.Column("created_at", UnixSeconds(), nullable=False),
        sa.Column("last_used_at", UnixSeconds(), nullable=False),
        sa.Column("expires_at", UnixSeconds(), nullable=False),
        sa.Column("ended_at", UnixSeconds(), nullable=True),
        sa.Column("end_reason", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sessions_user_id"),
    )
    op.create_index("ix_sessions_ended_at", "sessions", ["ended_at"])
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.create_table(
        "refresh_tokens",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("session_id", sa.String(64), nullable=False),
        sa.Column("created_at", UnixSeconds(), nullable=False),
        sa.Column("used_at", UnixSeconds(), nullable=True),
        sa.Column("successor", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_refresh_tokens"),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name="fk_refresh_tokens_session_id"),
    )
    op.create_index("ix_refresh_tokens_session_id", "refresh_tokens", ["session_id"])
    op.create_table(
        "personal_tokens",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("last_four", sa.String(4), nullable=False),
        sa.Column("created_at", UnixSeconds(), nullable=False),
        sa.Column("created_by", sa.String(128), nullable=False),
        sa.Column("expires_at", UnixSeconds(), nullable=False),
        sa.Column("last_used_at", UnixSeconds(), nullable=True),
        sa.Column("revoked_at", UnixSeconds(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_personal_tokens"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_personal_tokens_user_id"),
        sa.UniqueConstraint("sha256", name="uq_personal_tokens_sha256"),
    )
    op.create_index("ix_personal_tokens_user_id", "personal_tokens", ["user_id"])


def _create_keys() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.String(64), nullable=False),
        sa.Column("public_jwk", sa.Text(), nullable=False),
        sa.Column("sealed_private", sa.Text(), nullable=False),
        sa.Column("created_at", UnixSeconds(), nullable=False),
        sa.Column("created_by", sa.String(128), nullable=False),
        sa.Column("signs_from", UnixSeconds(), nullable=False),
        sa.Column("withdrawn_at", UnixSeconds(), nullable=True),
        sa.PrimaryKeyConstraint("kid", name="pk_signing_keys"),
    )
    op.create_table(
        "sign_outs",
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("issued_before", UnixSeconds(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_sign_outs"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sign_outs_user_id"),
    )


def _create_providers() -> None:
    op.create_table(
        "oidc_providers",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("issuer", sa.String(512), nullable=False),
        sa.Column("client_id", sa.String(256), nullable=False),
        sa.Column("sealed_secret", sa.Text(), nullable=False),
        sa.Column("rules", Json(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UnixSeconds(), nullable=False),
        sa.Column("created_by", sa.String(128), nullable=False),
        sa.Column("updated_at", UnixSeconds(), nullable=False),
        sa.Column("updated_by", sa.String(128), nullable=False),
        sa.Column("deleted_at", UnixSeconds(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_oidc_providers"),
    )
    op.create_index(
        "uq_oidc_providers_name",
        "oidc_providers",
        ["name"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "external_identities",
        sa.Column("provider_id", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("created_at", UnixSeconds(), nullable=False),
        sa.Column("last_login_at", UnixSeconds(), nullable=False),
        sa.PrimaryKeyConstraint("provider_id", "subject", name="pk_external_identities"),
        sa.ForeignKeyConstraint(["provider_id"], ["oidc_providers.id"], name="fk_external_identities_provider_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_external_identities_user_id"),
    )
    op.create_index("ix_external_identities_user_id", "external_identities", ["user_id"])
    op.create_table(
        "oidc_logins",
        sa.Column("state_sha256", sa.String(64), nullable=False),
        sa.Column("provider_id", sa.String(64), nullable=False),
        sa.Column("browser_sha256", sa.String(64), nullable=False),
        sa.Column("nonce", sa.String(64), nullable=False),
        sa.Column("code_verifier", sa.String(128), nullable=False),
        sa.Column("redirect_uri", sa.String(512), nullable=False),
        sa.Column("client_state", sa.String(512), nullable=False),
        sa.Column("client_challenge", sa.String(128), nullable=False),
        sa.Column("expires_at", UnixSeconds(), nullable=False),
        sa.Column("code_sha256", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("state_sha256", name="pk_oidc_logins"),
    )
    op.create_index("ix_oidc_logins_code_sha256", "oidc_logins", ["code_sha256"])
    op.create_index("ix_oidc_logins_expires_at", "oidc_logins", ["expires_at"])


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)

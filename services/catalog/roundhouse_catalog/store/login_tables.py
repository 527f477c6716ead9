"""Tables of logins: who proved to be whom, and since when nobody may any more. Secrets are digests, or sealed."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from roundhouse_catalog.domain.oidc_providers import OidcRules
from roundhouse_catalog.store.metadata import metadata
from roundhouse_common.database import Json, UnixSeconds

__all__ = [
    "credentials",
    "external_identities",
    "login_attempts",
    "oidc_logins",
    "oidc_providers",
    "personal_tokens",
    "refresh_tokens",
    "sessions",
    "sign_outs",
    "signing_keys",
]

credentials = Table(
    "credentials",
    metadata,
    Column("user_id", String(64), ForeignKey("users.id"), primary_key=True),
    Column("password_hash", Text, nullable=False),
    Column("must_change", Boolean, nullable=False),
    Column("expires_at", UnixSeconds, nullable=False),  # of one that was given; 0: never
    Column("changed_at", UnixSeconds, nullable=False),
)

login_attempts = Table(
    "login_attempts",
    metadata,
    Column("source", String(80), primary_key=True),  # `name:` or `address:`, and a digest: the name may be no one's
    Column("failures", Integer, nullable=False),
    Column("last_at", UnixSeconds, nullable=False, index=True),
    Column("locked_until", UnixSeconds, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("user_id", String(64), ForeignKey("users.id"), nullable=False, index=True),
    Column("tenant_id", String(64), nullable=False),  # of the last token
    Column("method", String(80), nullable=False),  # `password`, or `oidc:` and the provider's name
    Column("client_address", String(64), nullable=False),
    Column("user_agent", String(256), nullable=False),
    Column("created_at", UnixSeconds, nullable=False),
    Column("last_used_at", UnixSeconds, nullable=False),
    Column("expires_at", UnixSeconds, nullable=False),
    Column("ended_at", UnixSeconds, index=True),
    Column("end_reason", String(32), nullable=False),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("session_id", String(64), ForeignKey("sessions.id"), nullable=False, index=True),
    Column("created_at", UnixSeconds, nullable=False),
    Column("used_at", UnixSeconds),
    Column("successor", String(64), nullable=False),  # the digest of the one that was given for it
)

personal_tokens = Table(
    "personal_tokens",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("user_id", String(64), ForeignKey("users.id"), nullable=False, index=True),
    Column("tenant_id", String(64), nullable=False),
    Column("name", String(100), nullable=False),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("prefix", String(16), nullable=False),
    Column("last_four", String(4), nullable=False),
    Column("created_at", UnixSeconds, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("expires_at", UnixSeconds, nullable=False),
    Column("last_used_at", UnixSeconds),
    Column("revoked_at", UnixSeconds),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", String(64), primary_key=True),
    Column("public_jwk", Text, nullable=False),
    Column("sealed_private", Text, nullable=False),  # empty once it is withdrawn
    Column("created_at", UnixSeconds, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("signs_from", UnixSeconds, nullable=False),
    Column("withdrawn_at", UnixSeconds),
)

sign_outs = Table(
    "sign_outs",
    metadata,
    Column("user_id", String(64), ForeignKey("users.id"), primary_key=True),
    Column("issued_before", UnixSeconds, nullable=False),
)

oidc_providers = Table(
    "oidc_providers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(63), nullable=False),
    Column("issuer", String(512), nullable=False),
    Column("client_id", String(256), nullable=False),
    Column("sealed_secret", Text, nullable=False),  # empty: a public client
    Column("rules", Json(OidcRules), nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("created_at", UnixSeconds, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("updated_at", UnixSeconds, nullable=False),
    Column("updated_by", String(128), nullable=False),
    Column("deleted_at", UnixSeconds),
)
_IS_THERE = oidc_providers.c.deleted_at.is_(None)
Index("uq_oidc_providers_name", oidc_providers.c.name, unique=True, sqlite_where=_IS_THERE, postgresql_where=_IS_THERE)

external_identities = Table(
    "external_identities",
    metadata,
    Column("provider_id", String(64), ForeignKey("oidc_providers.id"), primary_key=True),
    Column("subject", String(255), primary_key=True),  # the provider's own word for the person
    Column("user_id", String(64), ForeignKey("users.id"), nullable=False, index=True),
    Column("email", String(254), nullable=False),
    Column("created_at", UnixSeconds, nullable=False),
    Column("last_login_at", UnixSeconds, nullable=False),
    # By tenant, or "" for the platform: what the provider's groups gave at the last login.
    Column("given_roles", Json(dict[str, tuple[str, ...]]), nullable=False, server_default="{}"),
)

oidc_logins = Table(
    "oidc_logins",
    metadata,
    Column("state_sha256", String(64), primary_key=True),
    Column("provider_id", String(64), nullable=False),
    Column("browser_sha256", String(64), nullable=False),  # of the cookie that the browser got
    Column("nonce", String(64), nullable=False),
    Column("code_verifier", String(128), nullable=False),
    Column("redirect_uri", String(512), nullable=False),  # of the client that asked
    Column("client_state", String(512), nullable=False),
    Column("client_challenge", String(128), nullable=False),
    Column("expires_at", UnixSeconds, nullable=False, index=True),
    Column("code_sha256", String(64), nullable=False, index=True),  # what the client gets; empty before the answer
    Column("user_id", String(64), nullable=False),  # empty before the answer
)

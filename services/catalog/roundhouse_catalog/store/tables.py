"""The tables of the catalog. Rows of deployments, keys and routes are never removed: deleted ones are tombstones."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from roundhouse_catalog.domain.providers import SealedKey
from roundhouse_catalog.domain.routes import RouteSettings
from roundhouse_catalog.domain.templates import Recipe
from roundhouse_catalog.store.audit_tables import audit, audit_seals
from roundhouse_catalog.store.identity_tables import memberships, own_roles, projects, tenants, users
from roundhouse_catalog.store.login_tables import credentials, personal_tokens, sessions
from roundhouse_catalog.store.metadata import metadata
from roundhouse_common.contracts.catalog import Autoscale, ModelDefaults, Rollout, VersionSpec
from roundhouse_common.contracts.models import ModelFacts
from roundhouse_common.contracts.routing import LimitDimension, RouteTarget
from roundhouse_common.database import Json, UnixSeconds, idempotency_table, outbox_table

__all__ = [
    "api_keys",
    "audit",
    "audit_seals",
    "credentials",
    "deployments",
    "idempotency",
    "limits",
    "memberships",
    "metadata",
    "models",
    "outbox",
    "own_roles",
    "personal_tokens",
    "projects",
    "providers",
    "routes",
    "sessions",
    "template_versions",
    "templates",
    "tenants",
    "upload_files",
    "uploads",
    "users",
    "versions",
]

models = Table(
    "models",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant_id", String(64), ForeignKey("tenants.id"), nullable=False),
    Column("name", String(128), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("source_kind", String(32), nullable=False),
    Column("source_uri", Text, nullable=False),
    Column("context_length", BigInteger, nullable=False),
    Column("licence", String(128), nullable=False),
    Column("tags", Json(tuple[str, ...]), nullable=False),
    Column("memory_bytes", BigInteger, nullable=False),
    Column("is_published", Boolean, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("created_at", UnixSeconds, nullable=False),
    Column("updated_at", UnixSeconds, nullable=False),
    Column("deleted_at", UnixSeconds),
    Column("facts", Json(ModelFacts)),
    Column("source_revision", String(256), nullable=False),
    Column("source_patterns", Json(tuple[str, ...]), nullable=False),
    Column("source_sha256", String(64), nullable=False),
    Column("resolved_revision", String(256), nullable=False),
    Column("total_bytes", BigInteger, nullable=False),
    Column("file_count", Integer, nullable=False),
    Column("defaults", Json(ModelDefaults)),
    Column("trial_deployment_id", String(64)),
)
Index(
    "uq_models_tenant_id_name",
    models.c.tenant_id,
    models.c.name,
    unique=True,
    sqlite_where=models.c.deleted_at.is_(None),
    postgresql_where=models.c.deleted_at.is_(None),
)

deployments = Table(
    "deployments",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant_id", String(64), ForeignKey("tenants.id"), nullable=False),
    Column("name", String(63), nullable=False),
    Column("desired", String(16), nullable=False),
    Column("replicas", Integer, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("active_number", Integer, nullable=False),
    Column("disconnect_grace_s", Double, nullable=False),
    Column("drain_timeout_s", Double, nullable=False),
    Column("created_at", UnixSeconds, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("updated_at", UnixSeconds, nullable=False),
    Column("updated_by", String(128), nullable=False),
    Column("deleted_at", UnixSeconds),
    Column("rollout", Json(Rollout), nullable=False),
    Column("autoscale", Json(Autoscale)),
    Column("is_paused", Boolean, nullable=False),
    Column("is_evictable", Boolean, nullable=False),
    Column("wake_timeout_s", Double, nullable=False),
    Column("failure_budget", Integer, nullable=False),
    Column("restarts", Integer, nullable=False),
    Column("last_number", Integer, nullable=False),
    Column("previous_number", Integer, nullable=False),
    Column("failed_numbers", Json(tuple[int, ...]), nullable=False),
    Column("activated_generation", BigInteger, nullable=False),
    Column("project_id", String(64), nullable=False),  # empty: of none
    Column("access", String(16), nullable=False),
)
Index(
    "uq_deployments_tenant_id_name",
    deployments.c.tenant_id,
    deployments.c.name,
    unique=True,
    sqlite_where=deployments.c.deleted_at.is_(None),
    postgresql_where=deployments.c.deleted_at.is_(None),
)

versions = Table(
    "versions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("deployment_id", String(64), ForeignKey("deployments.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("model_id", String(64), ForeignKey("models.id"), nullable=False, index=True),
    Column("spec", Json(VersionSpec), nullable=False),
    Column("created_at", UnixSeconds, nullable=False),
    Column("created_by", String(128), nullable=False),
    UniqueConstraint("deployment_id", "number"),
)

routes = Table(
    "routes",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant_id", String(64), nullable=False),  # empty: of the platform
    Column("name", String(128), nullable=False),
    Column("deployment_id", String(64), ForeignKey("deployments.id"), unique=True),  # of a deployment's own route
    Column("model_kind", String(32), nullable=False),
    Column("created_at", UnixSeconds, nullable=False),
    Column("is_deleted", Boolean, nullable=False),
    Column("targets", Json(tuple[RouteTarget, ...]), nullable=False),
    Column("alias_of", String(128), nullable=False),
    Column("settings", Json(RouteSettings), nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("updated_at", UnixSeconds, nullable=False),
    Column("updated_by", String(128), nullable=False),
)
Index(
    "uq_routes_tenant_id_name",
    routes.c.tenant_id,
    routes.c.name,
    unique=True,
    sqlite_where=routes.c.is_deleted.is_(False),
    postgresql_where=routes.c.is_deleted.is_(False),
)

limits = Table(
    "limits",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant_id", String(64), nullable=False),  # empty: of the platform
    Column("name", String(128), nullable=False),
    Column("per", Json(tuple[LimitDimension, ...]), nullable=False),
    Column("tenant_ids", Json(tuple[str, ...]), nullable=False),
    Column("user_ids", Json(tuple[str, ...]), nullable=False),
    Column("key_ids", Json(tuple[str, ...]), nullable=False),
    Column("route_ids", Json(tuple[str, ...]), nullable=False),
    Column("bounds", Json(dict[str, int]), nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("created_at", UnixSeconds, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("updated_at", UnixSeconds, nullable=False),
    Column("updated_by", String(128), nullable=False),
    Column("is_deleted", Boolean, nullable=False),
)
Index(
    "uq_limits_tenant_id_name",
    limits.c.tenant_id,
    limits.c.name,
    unique=True,
    sqlite_where=limits.c.is_deleted.is_(False),
    postgresql_where=limits.c.is_deleted.is_(False),
)

providers = Table(
    "providers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant_id", String(64), nullable=False),  # empty: of the platform
    Column("name", String(63), nullable=False),
    Column("format", String(32), nullable=False),
    Column("base_url", Text, nullable=False),
    Column("keys", Json(tuple[SealedKey, ...]), nullable=False),
    Column("headers", Json(dict[str, str]), nullable=False),
    Column("features", Json(tuple[str, ...]), nullable=False),
    Column("in_flight_most", Integer, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("created_at", UnixSeconds, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("updated_at", UnixSeconds, nullable=False),
    Column("updated_by", String(128), nullable=False),
    Column("deleted_at", UnixSeconds),
)
Index(
    "uq_providers_tenant_id_name",
    providers.c.tenant_id,
    providers.c.name,
    unique=True,
    sqlite_where=providers.c.deleted_at.is_(None),
    postgresql_where=providers.c.deleted_at.is_(None),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant_id", String(64), ForeignKey("tenants.id"), nullable=False),
    Column("user_id", String(64), nullable=False),
    Column("name", String(128), nullable=False),
    Column("prefix", String(16), nullable=False),
    Column("last_four", String(4), nullable=False),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("deployment_ids", Json(tuple[str, ...]), nullable=False),
    Column("expires_at", UnixSeconds, nullable=False),
    Column("created_at", UnixSeconds, nullable=False),
    Column("revoked_at", UnixSeconds, nullable=False),
    Column("project_id", String(64), nullable=False),  # empty: of none
    Column("models", Json(tuple[str, ...]), nullable=False),
    Column("ip_ranges", Json(tuple[str, ...]), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("previous_sha256", String(64), nullable=False),
    Column("previous_until", UnixSeconds, nullable=False),
    Column("generation", BigInteger, nullable=False),
)

templates = Table(
    "templates",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant_id", String(64), ForeignKey("tenants.id"), nullable=False),
    Column("name", String(63), nullable=False),
    Column("last_number", Integer, nullable=False),
    Column("created_at", UnixSeconds, nullable=False),
    Column("deleted_at", UnixSeconds),
)

Index(
    "uq_templates_tenant_id_name",
    templates.c.tenant_id,
    templates.c.name,
    unique=True,
    sqlite_where=templates.c.deleted_at.is_(None),
    postgresql_where=templates.c.deleted_at.is_(None),
)

template_versions = Table(
    "template_versions",
    metadata,
    Column("template_id", String(64), ForeignKey("templates.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("recipe", Json(Recipe), nullable=False),
    Column("created_at", UnixSeconds, nullable=False),
    Column("created_by", String(128), nullable=False),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant_id", String(64), ForeignKey("tenants.id"), nullable=False),
    Column("read_token", String(64), nullable=False),
    Column("created_at", UnixSeconds, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("touched_at", UnixSeconds, nullable=False),
    Column("completed_at", UnixSeconds),
    Column("project_id", String(64), nullable=False),  # empty: of none
)

upload_files = Table(
    "upload_files",
    metadata,
    Column("upload_id", String(64), ForeignKey("uploads.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("path", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
)

outbox = outbox_table(metadata)
idempotency = idempotency_table(metadata)

"""Duties and places of nodes, settings of rollouts and scaling, gangs, failures of versions, switches."""

import sqlalchemy as sa
from alembic import op

from roundhouse_common.database import Json, UnixSeconds

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _extend_nodes()
    _extend_deployments()
    _extend_versions()
    _extend_replicas()
    _create_switches()
    _count_revisions()
    _create_leadership()
    _create_joining()
    _create_node_events()


# Any of the defaults below is what a row of the release before means; new rows always state every column.
def _extend_nodes() -> None:
    _add("nodes", "labels", Json(), "{}")
    _add("nodes", "region", sa.String(255), "")
    _add("nodes", "zone", sa.String(255), "")
    _add("nodes", "admission", sa.String(40), "approved")
    _add("nodes", "duty", sa.String(40), "active")
    _add("nodes", "duty_since", UnixSeconds, "0")
    _add("nodes", "duty_reason", sa.Text, "")
    _add("nodes", "quarantines", Json(), "[]")
    _add("nodes", "is_settled", sa.Boolean, sa.true())
    _add("nodes", "orphans", Json(), "[]")


def _extend_deployments() -> None:
    _add("deployments", "rollout", Json(), "{}")
    op.add_column("deployments", sa.Column("autoscale", Json()))
    _add("deployments", "is_paused", sa.Boolean, sa.false())
    _add("deployments", "is_evictable", sa.Boolean, sa.false())
    _add("deployments", "wake_timeout_s", UnixSeconds, "300")
    _add("deployments", "failure_budget", sa.Integer, "10")
    _add("deployments", "restarts", sa.Integer, "0")
    op.add_column("deployments", sa.Column("target_replicas", sa.Integer))
    _add("deployments", "target_reason", sa.String(40), "unknown")
    _add("deployments", "last_used_at", UnixSeconds, "0")
    op.add_column("deployments", sa.Column("rollout_began_at", UnixSeconds))
    op.add_column("deployments", sa.Column("rollout_progress_at", UnixSeconds))
    _add("deployments", "rollout_from_number", sa.Integer, "0")
    op.add_column("deployments", sa.Column("rollout_paused_at", UnixSeconds))
    _add("deployments", "failed_version_id", sa.String(64), "")
    _add("deployments", "restarts_done", sa.Integer, "0")


def _extend_versions() -> None:
    op.add_column("versions", sa.Column("failure", Json()))


def _extend_replicas() -> None:
    _add("replicas", "node_failures", sa.Integer, "0")
    _add("replicas", "alternative", sa.String(255), "")
    _add("replicas", "is_spent", sa.Boolean, sa.false())
    _add("replicas", "memory_bytes", sa.BigInteger, "0")
    _add("replicas", "gang_id", sa.String(64), "")
    _add("replicas", "gang_rank", sa.Integer, "0")
    _add("replicas", "gang_size", sa.Integer, "1")
    _add("replicas", "gang_epoch", sa.Integer, "0")
    _add("replicas", "gang_address", sa.String(255), "")
    _add("replicas", "gang_port", sa.Integer, "0")


def _create_switches() -> None:
    op.create_table(
        "switches",
        sa.Column("switch_id", sa.String(64), primary_key=True),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("deployment_id", sa.String(64), nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("began_at", UnixSeconds, nullable=False),
        sa.Column("deadline_at", UnixSeconds, nullable=False),
        sa.Column("ended_at", UnixSeconds),
        sa.Column("was_asleep", sa.Boolean, nullable=False),
        sa.Column("is_cancelling", sa.Boolean, nullable=False),
        sa.Column("victims", Json(), nullable=False),
        sa.Column("steps", Json(), nullable=False),
        sa.Column("row_version", sa.Integer, nullable=False),
    )
    op.create_index("switches_by_end", "switches", ["ended_at"])
    op.create_index("switches_by_tenant", "switches", ["tenant_id", "switch_id"])


def _count_revisions() -> None:
    for table in ("nodes", "deployments", "replicas"):
        _add(table, "revision", sa.BigInteger, "0")
        op.create_index(f"ix_{table}_revision", table, ["revision"])
    op.create_table(
        "counters",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "removals",
        sa.Column("kind", sa.String(40), primary_key=True),
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_removals_revision", "removals", ["revision"])


def _create_leadership() -> None:
    op.create_table(
        "leadership",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("term", sa.BigInteger, nullable=False),
        sa.Column("holder", sa.String(255), nullable=False),
        sa.Column("beat", sa.BigInteger, nullable=False),
    )


def _create_joining() -> None:
    op.create_table(
        "join_tokens",
        sa.Column("token_id", sa.String(64), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("created_at", UnixSeconds, nullable=False),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.Column("expires_at", UnixSeconds, nullable=False),
        sa.Column("node_id", sa.String(64), nullable=False),
        sa.Column("labels", Json(), nullable=False),
        sa.Column("region", sa.String(255), nullable=False),
        sa.Column("zone", sa.String(255), nullable=False),
        sa.Column("used_at", UnixSeconds),
        sa.Column("used_key", sa.String(64), nullable=False),
        sa.Column("used_node_id", sa.String(64), nullable=False),
        sa.Column("revoked_at", UnixSeconds),
    )
    op.create_table(
        "node_keys",
        sa.Column("public_key", sa.String(64), primary_key=True),
        sa.Column("node_id", sa.String(64), nullable=False),
        sa.Column("hostname", sa.String(255), nullable=False),
        sa.Column("token_id", sa.String(64), nullable=False),
        sa.Column("issued_at", UnixSeconds, nullable=False),
        sa.Column("admission", sa.String(40), nullable=False),
        sa.Column("labels", Json(), nullable=False),
        sa.Column("region", sa.String(255), nullable=False),
        sa.Column("zone", sa.String(255), nullable=False),
        sa.Column("revoked_at", UnixSeconds),
    )
    op.create_index("ix_node_keys_node_id", "node_keys", ["node_id"])


def _create_node_events() -> None:
    op.create_table(
        "node_events",
        sa.Column("event_id", sa.String(64), primary_key=True),
        sa.Column("at", UnixSeconds, nullable=False),
        sa.Column("node_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("before", sa.String(255), nullable=False),
        sa.Column("after", sa.String(255), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
    )
    op.create_index("node_events_by_node", "node_events", ["node_id", "at", "event_id"])
    op.create_index("node_events_by_time", "node_events", ["at"])


# Any: a column type, as a class or an instance; a default as SQL text or expression.
def _add(table: str, name: str, kind: sa.types.TypeEngine | type, default: object) -> None:  # type: ignore[type-arg]
    if isinstance(default, str):
        default = sa.text(f"'{default}'")
    op.add_column(table, sa.Column(name, kind, nullable=False, server_default=default))  # type: ignore[arg-type]

"""Listings for the REST API: rows after a key, in the order of that key."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select, tuple_

from roundhouse_common.contracts.catalog import DeploymentDesired
from roundhouse_common.contracts.scheduler import Desired, NodeAdmission, Phase
from roundhouse_common.database import ReadSession
from roundhouse_scheduler.domain.errors import UnknownDeployment, UnknownNode, UnknownReplica
from roundhouse_scheduler.domain.records import Deployment, Node, Replica
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.rows import deployment_from, node_from, replica_from

__all__ = [
    "Event",
    "any_deployment",
    "deployment_names",
    "find_deployment",
    "find_node",
    "find_replica",
    "list_deployments",
    "list_events",
    "list_nodes",
    "list_replicas",
    "replicas_of",
    "replicas_on",
    "waiting_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of a timeline."""

    event_id: str
    at: float
    deployment_id: str
    kind: str
    replica_id: str
    before: str
    after: str
    reason: str
    detail: str
    actor: str

    @property
    def key(self) -> str:
        """What listings of events are ordered by."""
        return f"{self.at!r}/{self.event_id}"


async def list_nodes(session: ReadSession, *, limit: int, after: str, with_removed: bool = False) -> list[Node]:
    """Return nodes by id."""
    query = select(tables.nodes).where(tables.nodes.c.node_id > after).order_by(tables.nodes.c.node_id).limit(limit)
    if not with_removed:
        query = query.where(tables.nodes.c.admission != NodeAdmission.REMOVED)
    return [node_from(row) for row in await session.execute(query)]


async def find_node(session: ReadSession, node_id: str) -> Node:
    """Return one node. Raises UnknownNode."""
    row = (await session.execute(select(tables.nodes).where(tables.nodes.c.node_id == node_id))).first()
    if row is None:
        raise UnknownNode(node_id)
    return node_from(row)


async def list_deployments(session: ReadSession, tenant_id: str, *, limit: int, after: str) -> list[Deployment]:
    """Return a tenant's deployments by id, without those that were deleted."""
    table = tables.deployments
    query = select(table).where(
        table.c.tenant_id == tenant_id,
        table.c.deployment_id > after,
        table.c.desired != DeploymentDesired.DELETE,
    )
    rows = await session.execute(query.order_by(table.c.deployment_id).limit(limit))
    return [deployment_from(row) for row in rows]


async def find_deployment(session: ReadSession, tenant_id: str, deployment_id: str) -> Deployment:
    """Return one deployment of a tenant. Raises UnknownDeployment."""
    table = tables.deployments
    query = select(table).where(table.c.deployment_id == deployment_id, table.c.tenant_id == tenant_id)
    row = (await session.execute(query)).first()
    if row is None:
        raise UnknownDeployment(deployment_id)
    return deployment_from(row)


async def any_deployment(session: ReadSession, deployment_id: str) -> Deployment | None:
    """Return one deployment of whatever tenant: for other services, not for people."""
    table = tables.deployments
    row = (await session.execute(select(table).where(table.c.deployment_id == deployment_id))).first()
    return None if row is None else deployment_from(row)


async def replicas_on(session: ReadSession, node_ids: list[str]) -> list[Replica]:
    """Return the replicas that hold a claim on some nodes."""
    table = tables.replicas
    query = select(table).where(table.c.node_id.in_(node_ids), table.c.ended_at.is_(None))
    return [replica_from(row) for row in await session.execute(query)]


async def replicas_of(session: ReadSession, deployment_ids: list[str]) -> list[Replica]:
    """Return the replicas of some deployments that have not ended."""
    table = tables.replicas
    query = select(table).where(table.c.deployment_id.in_(deployment_ids), table.c.ended_at.is_(None))
    return [replica_from(row) for row in await session.execute(query)]


async def waiting_of(session: ReadSession, deployment_ids: list[str]) -> list[Replica]:
    """Return the replicas of some deployments that are wanted and for which there is no node."""
    table = tables.replicas
    query = select(table).where(
        table.c.deployment_id.in_(deployment_ids),
        table.c.ended_at.is_(None),
        table.c.phase == Phase.PENDING,
        table.c.desired == Desired.RUN,
    )
    return [replica_from(row) for row in await session.execute(query.order_by(table.c.replica_id))]


async def list_replicas(
    session: ReadSession,
    tenant_id: str,
    *,
    limit: int,
    after: str,
    deployment_id: str | None,
    node_id: str | None,
    with_ended: bool,
) -> list[Replica]:
    """Return a tenant's replicas by id, which is the order of their creation."""
    table = tables.replicas
    query = _of_tenant(tenant_id).where(table.c.replica_id > after)
    if deployment_id is not None:
        query = query.where(table.c.deployment_id == deployment_id)
    if node_id is not None:
        query = query.where(table.c.node_id == node_id)
    if not with_ended:
        query = query.where(table.c.ended_at.is_(None))
    return [replica_from(row) for row in await session.execute(query.order_by(table.c.replica_id).limit(limit))]


async def find_replica(session: ReadSession, tenant_id: str, replica_id: str) -> Replica:
    """Return one replica of a tenant, also an ended one. Raises UnknownReplica."""
    query = _of_tenant(tenant_id).where(tables.replicas.c.replica_id == replica_id)
    row = (await session.execute(query)).first()
    if row is None:
        raise UnknownReplica(replica_id)
    return replica_from(row)


async def deployment_names(session: ReadSession, replicas: list[Replica]) -> dict[str, str]:
    """Return the names of the replicas' deployments."""
    table = tables.deployments
    wanted = sorted({item.deployment_id for item in replicas})
    query = select(table.c.deployment_id, table.c.name).where(table.c.deployment_id.in_(wanted))
    return {row.deployment_id: row.name for row in await session.execute(query)}


async def list_events(
    session: ReadSession, deployment_id: str, *, limit: int, after: tuple[float, str] | None
) -> list[Event]:
    """Return the timeline of a deployment, the oldest first."""
    table = tables.events
    query = select(table).where(table.c.deployment_id == deployment_id)
    if after is not None:
        query = query.where(tuple_(table.c.at, table.c.event_id) > tuple_(*after))
    rows = await session.execute(query.order_by(table.c.at, table.c.event_id).limit(limit))
    return [Event(**row._mapping) for row in rows]


# Any: the columns of `replicas`.
def _of_tenant(tenant_id: str) -> Select[*tuple[Any, ...]]:
    """Replicas belong to the tenant of their deployment."""
    mine = select(tables.deployments.c.deployment_id).where(tables.deployments.c.tenant_id == tenant_id)
    return select(tables.replicas).where(tables.replicas.c.deployment_id.in_(mine))

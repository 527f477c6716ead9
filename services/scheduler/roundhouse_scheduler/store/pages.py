"""Listings for the REST API: rows after a key, in the order of that key."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, Table, select, tuple_

from roundhouse_common.auth import Reach
from roundhouse_common.contracts.catalog import DeploymentDesired
from roundhouse_common.contracts.scheduler import Desired, NodeAdmission, Phase
from roundhouse_common.database import ReadSession
from roundhouse_scheduler.domain.errors import UnknownDeployment, UnknownNode, UnknownReplica
from roundhouse_scheduler.domain.records import Deployment, Node, Replica
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.rows import deployment_from, node_from, replica_from

__all__ = [
    "Event",
    "Owner",
    "any_deployment",
    "find_deployment",
    "find_node",
    "find_replica",
    "list_deployments",
    "list_events",
    "list_nodes",
    "list_replicas",
    "owners_of",
    "replicas_of",
    "replicas_on",
    "waiting_of",
    "within",
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


async def list_deployments(session: ReadSession, reach: Reach, *, limit: int, after: str) -> list[Deployment]:
    """Return the deployments within reach by id, without those that were deleted."""
    table = tables.deployments
    query = select(table).where(
        within(table, reach),
        table.c.deployment_id > after,
        table.c.desired != DeploymentDesired.DELETE,
    )
    rows = await session.execute(query.order_by(table.c.deployment_id).limit(limit))
    return [deployment_from(row) for row in rows]


async def find_deployment(session: ReadSession, reach: Reach, deployment_id: str) -> Deployment:
    """Return one deployment. Raises UnknownDeployment, also for one that is out of reach."""
    table = tables.deployments
    query = select(table).where(table.c.deployment_id == deployment_id, within(table, reach))
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
    reach: Reach,
    *,
    limit: int,
    after: str,
    deployment_id: str | None,
    node_id: str | None,
    with_ended: bool,
) -> list[Replica]:
    """Return the replicas within reach by id, which is the order of their creation."""
    table = tables.replicas
    query = _reached(reach).where(table.c.replica_id > after)
    if deployment_id is not None:
        query = query.where(table.c.deployment_id == deployment_id)
    if node_id is not None:
        query = query.where(table.c.node_id == node_id)
    if not with_ended:
        query = query.where(table.c.ended_at.is_(None))
    return [replica_from(row) for row in await session.execute(query.order_by(table.c.replica_id).limit(limit))]


async def find_replica(session: ReadSession, reach: Reach, replica_id: str) -> Replica:
    """Return one replica, also an ended one. Raises UnknownReplica, also for one that is out of reach."""
    query = _reached(reach).where(tables.replicas.c.replica_id == replica_id)
    row = (await session.execute(query)).first()
    if row is None:
        raise UnknownReplica(replica_id)
    return replica_from(row)


class Owner(NamedTuple):
    """What a replica takes over from its deployment."""

    name: str
    project_id: str


async def owners_of(session: ReadSession, replicas: list[Replica]) -> dict[str, Owner]:
    """Return the replicas' deployments by id."""
    table = tables.deployments
    wanted = sorted({item.deployment_id for item in replicas})
    query = select(table.c.deployment_id, table.c.name, table.c.project_id).where(table.c.deployment_id.in_(wanted))
    return {row.deployment_id: Owner(row.name, row.project_id) for row in await session.execute(query)}


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


def within(table: Table, reach: Reach) -> ColumnElement[bool]:
    """Return the condition that lets through deployments within reach."""
    of_tenant = table.c.tenant_id == reach.tenant_id
    if reach.project_ids is None:
        return of_tenant
    return of_tenant & table.c.project_id.in_(sorted(reach.project_ids))


# Any: the columns of `replicas`.
def _reached(reach: Reach) -> Select[*tuple[Any, ...]]:
    """Replicas belong to the tenant and the project of their deployment."""
    mine = select(tables.deployments.c.deployment_id).where(within(tables.deployments, reach))
    return select(tables.replicas).where(tables.replicas.c.deployment_id.in_(mine))

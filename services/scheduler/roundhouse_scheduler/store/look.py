"""Read what a decision needs, in one snapshot."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select

from roundhouse_common.contracts.catalog import VersionSpec
from roundhouse_common.contracts.scheduler import DeploymentEndpoints, NodeAssignments
from roundhouse_common.database import ReadSession
from roundhouse_scheduler.domain.documents import assignments_of, endpoints_of
from roundhouse_scheduler.domain.errors import UnknownNode
from roundhouse_scheduler.domain.records import Deployment, Node, Replica
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.rows import deployment_from, node_from, replica_from

__all__ = ["Records", "all_assignments", "all_endpoints", "node_assignments", "read_records"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Every node and deployment, every replica that has not ended, and the versions these need."""

    nodes: Mapping[str, Node]
    deployments: Mapping[str, Deployment]
    versions: Mapping[str, VersionSpec]
    replicas: Mapping[str, Replica]


async def read_records(session: ReadSession) -> Records:
    """Return all records."""
    nodes = [node_from(row) for row in await session.execute(select(tables.nodes))]
    deployments = [deployment_from(row) for row in await session.execute(select(tables.deployments))]
    live = select(tables.replicas).where(tables.replicas.c.ended_at.is_(None))
    replicas = [replica_from(row) for row in await session.execute(live)]
    needed = {item.version_id for item in replicas} | {item.version_id for item in deployments}
    return Records(
        nodes={item.node_id: item for item in nodes},
        deployments={item.deployment_id: item for item in deployments},
        versions=await _versions(session, needed),
        replicas={item.replica_id: item for item in replicas},
    )


async def node_assignments(session: ReadSession, node_id: str) -> NodeAssignments:
    """Return what one node must run. Raises UnknownNode: for a node that is not in the record there is no answer,
    least of all an empty one."""
    row = (await session.execute(select(tables.nodes).where(tables.nodes.c.node_id == node_id))).first()
    if row is None:
        raise UnknownNode(node_id)
    held = select(tables.replicas).where(tables.replicas.c.node_id == node_id, tables.replicas.c.ended_at.is_(None))
    replicas = [replica_from(item) for item in await session.execute(held)]
    concerned = {item.deployment_id for item in replicas}
    found = await session.execute(
        select(tables.deployments).where(tables.deployments.c.deployment_id.in_(sorted(concerned)))
    )
    deployments = {item.deployment_id: item for item in map(deployment_from, found)}
    versions = await _versions(session, {item.version_id for item in replicas})
    return assignments_of(node_from(row), replicas, deployments, versions)


async def all_assignments(session: ReadSession) -> dict[str, NodeAssignments]:
    """Return the document of every node, by node id."""
    records = await read_records(session)
    held: dict[str, list[Replica]] = {node_id: [] for node_id in records.nodes}
    for replica in records.replicas.values():
        if replica.node_id:
            held[replica.node_id].append(replica)
    return {
        node_id: assignments_of(node, held[node_id], records.deployments, records.versions)
        for node_id, node in sorted(records.nodes.items())
    }


async def all_endpoints(session: ReadSession) -> dict[str, DeploymentEndpoints]:
    """Return the document of every deployment, by deployment id."""
    records = await read_records(session)
    mine: dict[str, list[Replica]] = {deployment_id: [] for deployment_id in records.deployments}
    for replica in records.replicas.values():
        mine[replica.deployment_id].append(replica)
    return {
        deployment_id: endpoints_of(deployment, mine[deployment_id], records.nodes, records.versions)
        for deployment_id, deployment in sorted(records.deployments.items())
    }


async def _versions(session: ReadSession, needed: set[str]) -> dict[str, VersionSpec]:
    query = select(tables.versions.c.version_id, tables.versions.c.spec)
    found = await session.execute(query.where(tables.versions.c.version_id.in_(sorted(needed))))
    return {row.version_id: row.spec for row in found}

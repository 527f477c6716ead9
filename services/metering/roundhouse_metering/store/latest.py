"""The last sample of each node, with its devices and replicas."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, Subquery, Table, and_, func, select

from roundhouse_common.database import ReadSession
from roundhouse_metering.domain.resolutions import RAW
from roundhouse_metering.store.samples import ComputePoint, DevicePoint
from roundhouse_metering.store.tables import compute_samples, device_samples, series

__all__ = ["LatestNode", "LatestReplica", "latest_nodes"]


@dataclass(slots=True, kw_only=True)
class LatestReplica:
    replica_id: str
    deployment_id: str
    own: ComputePoint
    devices: dict[str, DevicePoint] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class LatestNode:
    node_id: str
    own: ComputePoint
    devices: dict[str, DevicePoint] = field(default_factory=dict)
    by_replica: dict[str, LatestReplica] = field(default_factory=dict)

    @property
    def replicas(self) -> list[LatestReplica]:
        """Those in the same sample, by id."""
        return [self.by_replica[replica_id] for replica_id in sorted(self.by_replica)]


async def latest_nodes(session: ReadSession, *, since: int, after: str, limit: int) -> list[LatestNode]:
    """Return the nodes that were sampled since then, by id, each as its last sample tells it."""
    latest = (
        select(series.c.node_id, func.max(compute_samples.c.at).label("at"))
        .join(compute_samples, compute_samples.c.series_id == series.c.series_id)
        .where(
            series.c.replica_id == "",
            series.c.device_uuid == "",
            series.c.node_id > after,
            compute_samples.c.resolution_s == RAW,
            compute_samples.c.at >= since,
        )
        .group_by(series.c.node_id)
        .order_by(series.c.node_id)
        .limit(limit)
        .subquery("latest")
    )
    compute = await _rows(session, compute_samples, latest)
    nodes = {row.node_id: LatestNode(node_id=row.node_id, own=_compute(row)) for row in compute if not row.replica_id}
    for row in compute:
        if row.replica_id and row.node_id in nodes:
            nodes[row.node_id].by_replica[row.replica_id] = LatestReplica(
                replica_id=row.replica_id, deployment_id=row.deployment_id, own=_compute(row)
            )
    for row in await _rows(session, device_samples, latest):
        _add_device(nodes, row)
    return [nodes[node_id] for node_id in sorted(nodes)]


# Any below: the columns of a table chosen at run time.
async def _rows(session: ReadSession, table: Table, latest: Subquery) -> Sequence[Row[Any]]:
    statement = (
        select(series.c.node_id, series.c.replica_id, series.c.device_uuid, series.c.deployment_id, table)
        .join(latest, latest.c.node_id == series.c.node_id)
        .join(
            table,
            and_(
                table.c.series_id == series.c.series_id,
                table.c.resolution_s == RAW,
                table.c.at == latest.c.at,
            ),
        )
    )
    return (await session.execute(statement)).all()


def _add_device(nodes: dict[str, LatestNode], row: Row[Any]) -> None:
    node = nodes.get(row.node_id)
    owner = node.by_replica.get(row.replica_id) if node is not None and row.replica_id else node
    if owner is not None:
        owner.devices[row.device_uuid] = DevicePoint(
            **{name: row._mapping[name] for name in DevicePoint.__dataclass_fields__}
        )


def _compute(row: Row[Any]) -> ComputePoint:
    return ComputePoint(**{name: row._mapping[name] for name in ComputePoint.__dataclass_fields__})

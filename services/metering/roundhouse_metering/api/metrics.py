"""Curves of nodes, replicas and deployments: processor, memory, devices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from roundhouse_common.auth import Subject, allowed, reach_of
from roundhouse_common.database import Database, ReadSession
from roundhouse_common.errors import FieldError, InvalidInput, NotFound
from roundhouse_common.http import Moment, Page, PageRequest, page_of, page_request, requires
from roundhouse_common.http.times import unix_seconds
from roundhouse_common.runtime import Clock
from roundhouse_metering.api.metric_schemas import (
    ComputeSample,
    Curves,
    DeploymentCurves,
    DeviceCurve,
    DeviceSample,
    NodeCurves,
    NodeNow,
    OneReplica,
    ReplicaCurves,
)
from roundhouse_metering.domain.resolutions import CurveQuery, Retention, curve_query, sources
from roundhouse_metering.store.latest import LatestNode, latest_nodes
from roundhouse_metering.store.rollups import rolled_up_until
from roundhouse_metering.store.samples import compute_curves, device_curves
from roundhouse_metering.store.series import Series, series_of_deployment, series_of_node, series_of_replica
from roundhouse_metering.store.spans import has_replicas

__all__ = ["metrics_routes"]

_Reader = Annotated[Subject, Depends(requires("nodes:read"))]
_Owner = Annotated[Subject, Depends(requires("deployments:read", in_projects=True))]
_Id = Annotated[str, Path(max_length=200)]
_LATEST_WITHIN_S = 900
_SEEN_SLACK_S = 600
_MOST_SERIES = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The range and step of the query string."""

    since: float | None
    until: float | None
    step_s: int | None


def _asked(
    since: Annotated[Moment | None, Query(description="RFC 3339, with a zone; an hour before `until`.")] = None,
    until: Annotated[Moment | None, Query(description="RFC 3339, with a zone; now.")] = None,
    step_s: Annotated[int | None, Query(ge=1, le=604_800, description="Seconds; chosen by the range.")] = None,
) -> _Asked:
    return _Asked(
        since=None if since is None else unix_seconds(since),
        until=None if until is None else unix_seconds(until),
        step_s=step_s,
    )


_Range = Annotated[_Asked, Depends(_asked)]


def metrics_routes(db: Database, clock: Clock, retention: Retention) -> APIRouter:
    """Return the routes below /api/v1/metrics. Machines belong to the platform, not to a tenant; replicas to their
    deployment's, which sees them, as those do who see the machines."""
    routes = APIRouter(prefix="/api/v1/metrics", tags=["metrics"])

    def query_of(asked: _Asked, curves: int) -> CurveQuery:
        return curve_query(
            since=asked.since,
            until=asked.until,
            step_s=asked.step_s,
            now=clock.now(),
            retention=retention,
            curves=curves,
        )

    @routes.get("/nodes")
    async def list_nodes_now(_subject: _Reader, page: Annotated[PageRequest, Depends(page_request)]) -> Page[NodeNow]:
        """Show the last sample of each node heard in the last 15 minutes, with its devices and replicas."""
        since = int(clock.now()) - _LATEST_WITHIN_S
        async with db.read() as session:
            found = await latest_nodes(session, since=since, after=page.after or "", limit=page.fetch)
        return page_of(found, page, key=_node_id, item=NodeNow.of)

    @routes.get("/nodes/{node_id}")
    async def get_node_curves(node_id: _Id, _subject: _Reader, asked: _Range) -> NodeCurves:
        """Show processor, memory and devices of a node over time."""
        async with db.read() as session:
            found = await series_of_node(session, node_id)
            if not found:
                raise NotFound(
                    f"No node {node_id} has sent a sample that is still kept; GET /metrics/nodes lists them."
                )
            query = query_of(asked, len(found))
            curves = await _curves(session, found, query)
        return NodeCurves(node_id=node_id, **_range(query), **dict(curves[""]))

    @routes.get("/replicas/{replica_id}")
    async def get_replica_curves(replica_id: _Id, subject: _Owner, asked: _Range) -> ReplicaCurves:
        """Show processor, memory and devices of one replica over time."""
        async with db.read() as session:
            found = await series_of_replica(session, replica_id)
            if not found or not await _may_see(session, subject, found[0].deployment_id):
                raise NotFound(f"There is no sample of a replica {replica_id}: it never ran, or too long ago.")
            query = query_of(asked, len(found))
            curves = await _curves(session, found, query)
        return ReplicaCurves(
            replica_id=replica_id,
            deployment_id=found[0].deployment_id,
            node_ids=_nodes(found),
            **_range(query),
            **dict(curves[replica_id]),
        )

    @routes.get("/deployments/{deployment_id}")
    async def get_deployment_curves(deployment_id: _Id, subject: _Owner, asked: _Range) -> DeploymentCurves:
        """Show the curves of every replica of a deployment that ran in the time; an empty list when none did."""
        begin = query_of(_Asked(since=asked.since, until=asked.until, step_s=None), 1).since
        async with db.read() as session:
            found = await series_of_deployment(
                session, deployment_id, seen_since=begin - _SEEN_SLACK_S, limit=_MOST_SERIES + 1
            )
            if not await _may_see(session, subject, deployment_id):
                found = []
            if len(found) > _MOST_SERIES:
                message = f"The deployment had more than {_MOST_SERIES} curves in that time."
                raise InvalidInput(message, FieldError("since", "use a shorter range, or ask for single replicas"))
            query = query_of(asked, len(found))
            curves = await _curves(session, found, query)
        replicas = [
            OneReplica(
                replica_id=replica_id,
                node_ids=_nodes([one for one in found if one.replica_id == replica_id]),
                **dict(curves[replica_id]),
            )
            for replica_id in sorted(curves)
        ]
        shown = [replica for replica in replicas if replica.points]
        return DeploymentCurves(deployment_id=deployment_id, replicas=shown, **_range(query))

    return routes


async def _may_see(session: ReadSession, subject: Subject, deployment_id: str) -> bool:
    """Whether the subject may look at the deployment, or at the machines themselves."""
    if allowed(subject, "nodes:read", subject.tenant_id):
        return True
    return await has_replicas(session, reach_of(subject, "deployments:read"), deployment_id)


async def _curves(session: ReadSession, found: Sequence[Series], query: CurveQuery) -> dict[str, Curves]:
    """Return the curves by replica id; a node's own are under "". A replica has series of its own on each node that
    it ran on, one after the other."""
    answering = sources(query, await rolled_up_until(session))
    known = {one.series_id: one for one in found}
    compute = await compute_curves(
        session, [key for key, one in known.items() if not one.device_uuid], query, answering
    )
    devices = await device_curves(session, [key for key, one in known.items() if one.device_uuid], query, answering)
    points: dict[str, list[ComputeSample]] = {one.replica_id: [] for one in found}
    device_points: dict[str, dict[str, list[DeviceSample]]] = {one.replica_id: {} for one in found}
    for key, curve in compute.items():
        points[known[key].replica_id] += (ComputeSample.of(point) for point in curve)
    for key, device_curve in devices.items():
        one = known[key]
        of_device = device_points[one.replica_id].setdefault(one.device_uuid, [])
        of_device += (DeviceSample.of(point) for point in device_curve)
    return {
        replica_id: Curves(
            points=sorted(own, key=_at),
            devices=[
                DeviceCurve(uuid=uuid, points=sorted(own_points, key=_at))
                for uuid, own_points in sorted(device_points[replica_id].items())
            ],
        )
        for replica_id, own in points.items()
    }


def _range(query: CurveQuery) -> dict[str, float]:
    return {"step_s": query.step_s, "since": query.since, "until": query.until}


def _nodes(found: Sequence[Series]) -> list[str]:
    return sorted({one.node_id for one in found})


def _at(point: ComputeSample | DeviceSample) -> float:
    return point.at


def _node_id(node: LatestNode) -> str:
    return node.node_id

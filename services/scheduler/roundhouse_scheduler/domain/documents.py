"""The documents that others read, derived from the records: what each node must run, and who takes requests."""

from collections.abc import Iterable, Mapping

import msgspec

from roundhouse_common.contracts.catalog import DeploymentDesired, VersionSpec
from roundhouse_common.contracts.scheduler import (
    Assignment,
    DeploymentEndpoints,
    Desired,
    Endpoint,
    EndpointState,
    GangMembership,
    NodeAssignments,
    Phase,
)
from roundhouse_scheduler.domain.capacity import capacity_of
from roundhouse_scheduler.domain.records import Deployment, Node, Replica
from roundhouse_scheduler.domain.rules import grace_s

__all__ = ["as_placed", "assignments_of", "endpoint_of", "endpoints_of"]


def assignments_of(
    node: Node,
    replicas: Iterable[Replica],
    deployments: Mapping[str, Deployment],
    versions: Mapping[str, VersionSpec],
) -> NodeAssignments:
    """Return everything a node must run. LOST replicas stay listed: their fate is settled when the node is back."""
    held = sorted((item for item in replicas if item.node_id == node.node_id and item.is_held), key=_by_id)
    return NodeAssignments(
        node_id=node.node_id,
        epoch=node.epoch,
        revision=node.assignments_revision,
        assignments=tuple(
            Assignment(
                replica_id=item.replica_id,
                deployment_id=item.deployment_id,
                deployment_name=deployments[item.deployment_id].name,
                version=as_placed(versions[item.version_id], item.alternative),
                desired=item.desired,
                reason=item.desired_reason,
                attempt=item.attempt,
                device_uuids=item.device_uuids,
                engine_api_key=item.engine_api_key,
                drain_timeout_s=deployments[item.deployment_id].drain_timeout_s,
                fence_after_s=grace_s(item, deployments[item.deployment_id]) if item.gang_id else 0.0,
                gang=_membership(item),
                alternative=item.alternative,
            )
            for item in held
        ),
        is_settled=node.is_settled,
    )


def as_placed(version: VersionSpec, alternative: str) -> VersionSpec:
    """Return the version as an engine placed by this alternative runs it: with its resources, and its parameters laid
    over the version's own. It is the version itself when it was placed by none."""
    chosen = next((one for one in version.alternatives if one.name == alternative), None)
    if chosen is None:
        return version
    return msgspec.structs.replace(
        version,
        resources=chosen.resources,
        parameters={**version.parameters, **chosen.parameters},
        memory_need=chosen.memory_need,
        alternatives=(),
    )


def _membership(replica: Replica) -> GangMembership | None:
    if not replica.gang_id:
        return None
    return GangMembership(
        gang_id=replica.gang_id,
        epoch=replica.gang_epoch,
        rank=replica.gang_rank,
        size=replica.gang_size,
        address=replica.gang_address,
        port=replica.gang_port,
    )


def device_class(replica: Replica, node: Node | None) -> str:
    """Return the model of the replica's accelerators, those of several joined; `cpu` without any; empty: not known."""
    if not replica.device_uuids:
        return "cpu" if replica.resources.device_count == 0 else ""
    models = {device.uuid: device.model for device in node.inventory.devices} if node is not None else {}
    return " + ".join(sorted({models[uuid] for uuid in replica.device_uuids if models.get(uuid)}))


def endpoint_of(replica: Replica, node: Node | None, version: VersionSpec | None = None) -> Endpoint | None:
    """Return the address of a replica that takes requests or finishes them, else None. A gang's is its leader's.

    Its version never changes, so whether an endpoint changed can be told without it.
    """
    if not replica.base_url or node is None or replica.gang_rank > 0:
        return None
    if replica.phase is Phase.READY:
        state = EndpointState.READY if replica.desired is Desired.RUN else EndpointState.DRAINING
    elif replica.phase is Phase.UNKNOWN and replica.is_serving:
        state = EndpointState.SUSPECT if replica.desired is Desired.RUN else EndpointState.DRAINING
    elif replica.phase is Phase.DRAINING:
        state = EndpointState.DRAINING
    else:
        return None
    return Endpoint(
        replica_id=replica.replica_id,
        node_id=replica.node_id,
        base_url=replica.base_url,
        served_model=replica.served_model,
        engine_api_key=replica.engine_api_key,
        state=state,
        region=node.in_region,
        engine=replica.engine,
        features=replica.features,
        device_class=device_class(replica, node),
        version_id=replica.version_id,
        concurrency=capacity_of(as_placed(version, replica.alternative)).concurrency if version is not None else 0,
    )


def endpoints_of(
    deployment: Deployment,
    replicas: Iterable[Replica],
    nodes: Mapping[str, Node],
    versions: Mapping[str, VersionSpec],
) -> DeploymentEndpoints:
    """Return all endpoints of a deployment, in a stable order, and what its active version says of requests."""
    version = versions.get(deployment.version_id)
    mine = sorted((item for item in replicas if item.deployment_id == deployment.deployment_id), key=_by_id)
    found = (
        endpoint_of(item, nodes.get(item.node_id), versions.get(item.version_id))
        for item in mine
        if item.ended_at is None
    )
    return DeploymentEndpoints(
        deployment_id=deployment.deployment_id,
        deployment_name=deployment.name,
        tenant_id=deployment.tenant_id,
        model_name=deployment.model_name,
        model_kind=deployment.model_kind,
        revision=deployment.endpoints_revision,
        endpoints=tuple(item for item in found if item is not None),
        is_wakeable=deployment.is_wakeable and deployment.desired is DeploymentDesired.RUN,
        wake_timeout_s=deployment.wake_timeout_s,
        defaults=version.defaults if version is not None else None,
        context_tokens=_context_tokens(version) if version is not None else 0,
        version_id=deployment.version_id,
    )


def _context_tokens(version: VersionSpec) -> int:
    """Return what every replica of the version can take, however it was placed; 0 when that is not known of each."""
    names = [one.name for one in version.alternatives] or [""]
    return min(capacity_of(as_placed(version, name)).context_tokens for name in names)


def _by_id(replica: Replica) -> str:
    return replica.replica_id

"""Desired == observed, everywhere: in the record, on the hosts and in the router."""

from collections.abc import Sequence

from roundhouse_common.contracts.catalog import DeploymentDesired, DeploymentSpec
from roundhouse_common.contracts.scheduler import Desired, EndpointState, Phase
from roundhouse_scheduler.domain.records import Replica
from roundhouse_scheduler.store.look import Records
from tests.simulation.world import World

__all__ = ["disagreement"]


async def disagreement(world: World) -> str:
    """Return what does not agree yet, or an empty string."""
    records = await world.records()
    specs = [spec for _, spec in sorted(world.specs.items())]
    objections = [_of_deployment(records, spec) for spec in specs]
    found = "; ".join(item for item in objections if item) or _of_rivals(records, specs) or _of_hosts(world, records)
    return found or _of_router(world, records)


def _of_deployment(records: Records, spec: DeploymentSpec) -> str:
    known = records.deployments.get(spec.deployment_id)
    if known is None or known.generation != spec.generation:
        return f"{spec.name}: the scheduler has not taken generation {spec.generation}"
    live = [row for row in records.replicas.values() if row.deployment_id == spec.deployment_id]
    good = [
        row
        for row in live
        if row.phase is Phase.READY and row.desired is Desired.RUN and row.version_id == spec.version.version_id
    ]
    waiting = [row for row in live if row.phase is Phase.PENDING and row.desired is Desired.RUN]
    wanted = _wanted(spec)
    members = wanted * spec.version.resources.node_count
    if len(good) == members == len(live):
        return _of_gangs(good) if spec.version.resources.node_count > 1 else ""
    if spec.is_evictable and len(good) + len(waiting) == len(live) <= members:
        return ""  # another one has its room: it sleeps, or waits for it; `_of_rivals` looks at them together
    shown = ", ".join(f"{row.replica_id[-4:]} {row.phase}/{row.desired} {row.reason} on {row.node_id}" for row in live)
    return f"{spec.name}: {len(good)} of {wanted} are ready; there are [{shown}]"


def _wanted(spec: DeploymentSpec) -> int:
    """Return how many replicas there should be of a deployment that nobody uses."""
    if spec.desired is not DeploymentDesired.RUN or spec.replicas == 0:
        return 0
    return spec.replicas if spec.autoscale is None else spec.autoscale.min_replicas


def _of_rivals(records: Records, specs: Sequence[DeploymentSpec]) -> str:
    """Where one has to make room for another, some of them run: they are never all asleep for nothing."""
    rivals = [spec for spec in specs if spec.is_evictable and _wanted(spec) > 0]
    ready = {row.deployment_id for row in records.replicas.values() if row.phase is Phase.READY}
    asleep = [spec.name for spec in rivals if records.deployments[spec.deployment_id].is_sleeping]
    if rivals and not any(spec.deployment_id in ready for spec in rivals) and len(asleep) < len(rivals):
        return f"none of {[spec.name for spec in rivals]} runs; {asleep} sleep"
    return ""


def _of_gangs(rows: list[Replica]) -> str:
    epochs: dict[str, set[int]] = {}
    for row in rows:
        epochs.setdefault(row.gang_id, set()).add(row.gang_epoch)
    return next((f"gang {key} is in epochs {sorted(found)}" for key, found in epochs.items() if len(found) > 1), "")


def _of_hosts(world: World, records: Records) -> str:
    for node_id, node in sorted(world.nodes.items()):
        running = {key: run.attempt for key, run in node.host.running().items()}
        wanted = {key: row.attempt for key, row in records.replicas.items() if row.node_id == node_id and row.is_held}
        if running != wanted:
            return f"{node_id} runs {sorted(running.items())}, not {sorted(wanted.items())}"
    return ""


def _of_router(world: World, records: Records) -> str:
    shown = {
        (endpoint.replica_id, endpoint.base_url)
        for deployment in world.router.table.deployments.values()
        for endpoint in deployment.endpoints
        if endpoint.state is EndpointState.READY
    }
    true = {
        (row.replica_id, world.nodes[row.node_id].host.running()[row.replica_id].base_url)
        for row in records.replicas.values()
        if row.phase is Phase.READY and row.gang_rank == 0
    }
    return "" if shown == true else f"the router has {sorted(shown)}, not {sorted(true)}"

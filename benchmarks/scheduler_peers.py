"""What the scheduler is held against, in the same run on the same fleet: scheduling without any memory."""

import time
from collections.abc import Sequence

from benchmarks.scheduler_fleet import a_spec
from benchmarks.scheduler_stage import Stage
from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_scheduler.domain.placement.candidates import Candidate
from roundhouse_scheduler.domain.placement.demand import Demand
from roundhouse_scheduler.domain.placement.devices import Miss, choose_devices
from roundhouse_scheduler.domain.placement.filters import Fit, judge
from roundhouse_scheduler.domain.records import Replica

__all__ = ["scanned_per_s"]


def scanned_per_s(stage: Stage, count: int) -> float:
    """Return how many replicas a second find their nodes by filter, score and pick over every node, one replica after
    another, with the scheduler's own filters and scores. Nothing is written."""
    mirror = stage.core.planner.mirror
    held: dict[str, list[Replica]] = {node_id: [] for node_id in mirror.nodes}
    for row in mirror.replicas.values():
        if row.node_id:
            held[row.node_id].append(row)
    candidates = [Candidate(node, held[node_id]) for node_id, node in sorted(mirror.nodes.items())]
    began = time.perf_counter()
    for number in range(count):
        assert _place(candidates, number), "there is room"
    return count / (time.perf_counter() - began)


def _place(candidates: Sequence[Candidate], number: int) -> bool:
    version = a_spec(number).version
    replica = Replica(
        replica_id=f"rep_scan_{number}",
        deployment_id="dep_scan",
        version_id=version.version_id,
        version_number=1,
        engine=EngineKind.VLLM,
        resources=version.resources,
        engine_api_key="",
        since=0.0,
        created_at=0.0,
    )
    shape = Demand.of(replica, version, now=0.0).shape
    judged = [(judge(shape, candidate), candidate) for candidate in candidates]
    fits = [(found.score, candidate) for found, candidate in judged if isinstance(found, Fit)]
    if not fits:
        return False
    chosen = max(fits, key=lambda item: item[0])[1]
    devices = choose_devices(shape, 0, chosen)
    assert not isinstance(devices, Miss), "a node that fits has the devices"
    chosen.take(version.resources, [device.uuid for device in devices])
    return True

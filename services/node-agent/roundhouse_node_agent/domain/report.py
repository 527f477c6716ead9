"""How replicas are told to the scheduler."""

from collections.abc import Iterable, Mapping

from roundhouse_common.contracts.node import ObservedPhase, ReplicaLoad, ReplicaReport
from roundhouse_node_agent.domain.engine_run import EngineExit, EngineSample
from roundhouse_node_agent.domain.replica import Replica

__all__ = ["loads_of", "reports_of"]

_ADDRESSED = (ObservedPhase.STARTING, ObservedPhase.READY, ObservedPhase.DRAINING)


def reports_of(replicas: Iterable[Replica], memory: Mapping[str, int] | None = None) -> tuple[ReplicaReport, ...]:
    """Return one report per replica, in the order of their ids. `memory`: what engines take, by replica, in bytes."""
    taken = memory or {}
    ordered = sorted(replicas, key=lambda replica: replica.replica_id)
    return tuple(_report_of(replica, taken.get(replica.replica_id, 0)) for replica in ordered)


def loads_of(replicas: Iterable[Replica], samples: Mapping[str, EngineSample]) -> tuple[ReplicaLoad, ...]:
    """Return the newest sample of each engine that may hold requests."""
    return tuple(
        ReplicaLoad(
            replica_id=replica.replica_id,
            running=sample.running,
            waiting=sample.waiting,
            kv_cache_usage=sample.kv_cache_usage,
        )
        for replica in sorted(replicas, key=lambda replica: replica.replica_id)
        if replica.is_serving and (sample := samples.get(replica.replica_id)) is not None
    )


def _report_of(replica: Replica, memory_bytes: int) -> ReplicaReport:
    run = replica.run
    is_addressed = run is not None and replica.is_active and replica.phase in _ADDRESSED
    assignment = replica.assignment
    return ReplicaReport(
        replica_id=replica.replica_id,
        deployment_id=assignment.deployment_id,
        attempt=replica.attempt,
        phase=replica.phase,
        reason=replica.reason.value,
        detail=replica.detail,
        since=replica.since,
        base_url=run.base_url if run is not None and is_addressed else "",
        served_model=assignment.deployment_name,
        pid=run.pid if run is not None and replica.is_active else 0,
        exit_code=_exit_code(replica.ended) if replica.ended is not None else None,
        log_tail=replica.ended.diagnosis.lines if replica.ended is not None else replica.log_tail,
        memory_bytes=memory_bytes,
        version_id=assignment.version.version_id,
        version_number=assignment.version.number,
        device_uuids=assignment.device_uuids,
        alternative=assignment.alternative,
        engine_api_key=assignment.engine_api_key,
        gang_id=assignment.gang.gang_id if assignment.gang is not None else "",
        gang_rank=assignment.gang.rank if assignment.gang is not None else 0,
        gang_epoch=assignment.gang.epoch if assignment.gang is not None else 0,
        features=run.features if run is not None and is_addressed else (),
    )


def _exit_code(ended: EngineExit) -> int | None:
    """Return the exit code as a parent sees it: negative for a signal."""
    return -ended.signal if ended.signal is not None else ended.code

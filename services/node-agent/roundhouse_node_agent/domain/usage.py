"""What a host and its engines use: counters as they are read, and what two readings say about the time between."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from roundhouse_common.contracts.node import DeviceSample, NodeSample, ReplicaSample
from roundhouse_node_agent.domain.engine_run import EngineRun

__all__ = ["Counters", "EngineUsage", "HostUsage", "cores_between", "sample_between"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Processor time used since some beginning, in seconds."""

    user_s: float
    system_s: float


_NOTHING = Counters(user_s=0.0, system_s=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineUsage:
    """All processes of one run. `cpu` counts from the start of the run, ended processes included."""

    run: EngineRun
    cpu: Counters
    memory_bytes: int
    device_memory_bytes: Mapping[str, int] = field(default_factory=dict)
    """Its own part of its devices' memory, by uuid, where the vendor tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostUsage:
    """One reading."""

    measured_at: float
    """Monotonic seconds, of the counters."""
    cpu_cores: int
    cpu: Counters
    memory_used_bytes: int
    memory_total_bytes: int
    devices: tuple[DeviceSample, ...] = ()
    engines: tuple[EngineUsage, ...] = ()


def sample_between(before: HostUsage, after: HostUsage, *, node_id: str, epoch: int, at: float) -> NodeSample | None:
    """Return what was used between two readings; None when no time has passed between them."""
    elapsed_s = after.measured_at - before.measured_at
    if elapsed_s <= 0:
        return None
    user, system = cores_between(before.cpu, after.cpu, elapsed_s)
    user = min(user, float(after.cpu_cores))
    return NodeSample(
        node_id=node_id,
        epoch=epoch,
        at=at,
        interval_s=elapsed_s,
        cpu_cores=after.cpu_cores,
        cpu_user=user,
        cpu_system=min(system, after.cpu_cores - user),
        memory_used_bytes=after.memory_used_bytes,
        memory_total_bytes=after.memory_total_bytes,
        devices=after.devices,
        replicas=tuple(_replicas(before, after, elapsed_s)),
    )


def cores_between(before: Counters, after: Counters, elapsed_s: float) -> tuple[float, float]:
    """Return the cores busy in user and in system mode. A counter that went back (a process whose end nobody
    gathered) says nothing and counts as 0, never as a burst."""
    user, system = after.user_s - before.user_s, after.system_s - before.system_s
    return max(0.0, user) / elapsed_s, max(0.0, system) / elapsed_s


def _replicas(before: HostUsage, after: HostUsage, elapsed_s: float) -> Iterable[ReplicaSample]:
    """A run that was not there before began since then: everything on its counters belongs to this interval."""
    known = {_key(engine.run): engine.cpu for engine in before.engines}
    devices = {device.uuid: device for device in after.devices}
    for engine in after.engines:
        user, system = cores_between(known.get(_key(engine.run), _NOTHING), engine.cpu, elapsed_s)
        assignment = engine.run.assignment
        yield ReplicaSample(
            replica_id=engine.run.replica_id,
            deployment_id=assignment.deployment_id,
            cpu_user=user,
            cpu_system=system,
            memory_bytes=engine.memory_bytes,
            devices=tuple(_own_part(engine, uuid, devices.get(uuid)) for uuid in assignment.device_uuids),
        )


def _key(run: EngineRun) -> tuple[str, int, int]:
    return run.replica_id, run.attempt, run.launch


def _own_part(engine: EngineUsage, uuid: str, device: DeviceSample | None) -> DeviceSample:
    whole = device if device is not None else DeviceSample(uuid=uuid)
    return DeviceSample(
        uuid=uuid,
        utilization=whole.utilization,
        memory_used_bytes=engine.device_memory_bytes.get(uuid, -1),
        memory_total_bytes=whole.memory_total_bytes,
        temperature_c=whole.temperature_c,
        power_w=whole.power_w,
    )

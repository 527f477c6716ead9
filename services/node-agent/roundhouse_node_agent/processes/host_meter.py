"""One reading of everything: the machine, its devices, and the processes of its engines."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from roundhouse_common.runtime import Clock
from roundhouse_node_agent.devices.host_limits import read_cpu_counters, read_host_limits
from roundhouse_node_agent.devices.meter import DeviceMeters, ProcessShare
from roundhouse_node_agent.domain.engine_run import EngineRun
from roundhouse_node_agent.domain.usage import EngineUsage, HostUsage
from roundhouse_node_agent.processes.identity import Recorded
from roundhouse_node_agent.processes.memory import MemoryMeter
from roundhouse_node_agent.processes.usage import ProcessTree, read_trees

__all__ = ["HostMeter"]


class HostMeter:
    """Reads in threads. A vendor's library that hangs costs its devices' figures, not the others'."""

    def __init__(self, devices: DeviceMeters, clock: Clock) -> None:
        self._devices = devices
        self._clock = clock
        self._memory = MemoryMeter(clock)

    async def read(self, guards: Sequence[tuple[EngineRun, Recorded]]) -> HostUsage:
        """Return what is used now; of the runs, those whose guard runs."""
        measured, (host, trees) = await asyncio.gather(self._devices.read(), asyncio.to_thread(self._read, guards))
        engines = tuple(
            replace(one, device_memory_bytes=_held(trees[one.run.replica_id], measured.shares)) for one in host.engines
        )
        return replace(host, devices=measured.devices, engines=engines)

    def _read(self, guards: Sequence[tuple[EngineRun, Recorded]]) -> tuple[HostUsage, dict[str, ProcessTree]]:
        limits, cpu, measured_at = read_host_limits(), read_cpu_counters(), self._clock.monotonic()
        trees = read_trees({run.replica_id: guard for run, guard in guards})
        self._memory.forget_others(pid for tree in trees.values() for pid in tree.pids)
        engines = tuple(
            EngineUsage(run=run, cpu=tree.cpu, memory_bytes=self._memory.of_all(tree.pids))
            for run, _ in guards
            if (tree := trees.get(run.replica_id)) is not None
        )
        host = HostUsage(
            measured_at=measured_at,
            cpu_cores=limits.cpu_cores,
            cpu=cpu,
            memory_used_bytes=limits.memory_total_bytes - limits.memory_available_bytes,
            memory_total_bytes=limits.memory_total_bytes,
            engines=engines,
        )
        return host, trees


def _held(tree: ProcessTree, shares: Sequence[ProcessShare]) -> dict[str, int]:
    """Return what an engine holds of each device. One on which the vendor told of none of its processes is left out:
    that is unknown, not nothing."""
    pids = set(tree.pids)
    held: dict[str, int] = {}
    for share in shares:
        if share.pid in pids:
            held[share.uuid] = held.get(share.uuid, 0) + share.memory_bytes
    return held

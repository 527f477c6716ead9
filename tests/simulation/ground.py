"""What must hold of the hosts themselves, whatever anybody believes of them."""

import sqlite3
from collections.abc import Callable, Container
from typing import Protocol

from roundhouse_common.contracts.node import NodeInventory
from roundhouse_common.contracts.scheduler import Reason
from roundhouse_common.runtime import Clock
from roundhouse_node_agent.domain.engine_run import EngineRun

__all__ = ["Ground", "Machine", "decided_in"]

_FENCE_S = 300.0
_NEAR_S = 60.0
"""A host that was never cut off for so long has no business to fence anything."""


class Machine(Protocol):
    """A host, as one sees it who stands before it."""

    epoch: int

    def running(self) -> dict[str, EngineRun]: ...

    def capacity(self) -> NodeInventory: ...


class Ground:
    """Every host, and since when nothing has stood between it and the scheduler."""

    def __init__(self, clock: Clock, complain: Callable[[str], None]) -> None:
        self._clock = clock
        self._complain = complain
        self._machines: dict[str, Machine] = {}
        self._is_cut_off: dict[str, Callable[[], bool]] = {}
        self._near_since: dict[str, float] = {}
        self.gangs_judged = 0
        self.devices_judged = 0

    def watch(self, hostname: str, machine: Machine) -> None:
        """Know a host."""
        self._machines[hostname] = machine

    def reach(self, hostname: str, is_cut_off: Callable[[], bool]) -> None:
        """Know how to tell whether anything stands between a host and the scheduler."""
        self._is_cut_off[hostname] = is_cut_off

    def capacity(self, hostname: str) -> NodeInventory:
        """Return what a host has."""
        return self._machines[hostname].capacity()

    def hosts_with_a_device_beside(self, held: Container[str]) -> list[str]:
        """Return the hosts with a device that is not among those held."""
        machines = sorted(self._machines.items())
        return [name for name, item in machines if any(device.uuid not in held for device in item.capacity().devices)]

    def running(self, hostname: str) -> Container[str]:
        """Return the replicas whose engines run on a host."""
        return self._machines[hostname].running()

    def epoch(self, hostname: str) -> int:
        """Return the highest epoch that a host has been given."""
        return self._machines[hostname].epoch

    def judge(self) -> None:
        """Look at every host."""
        for hostname, machine in sorted(self._machines.items()):
            self._judge_memory(hostname, machine)
        self._judge_replicas()
        now = self._clock.monotonic()
        for hostname, is_cut_off in self._is_cut_off.items():
            if is_cut_off():
                self._near_since.pop(hostname, None)
            else:
                self._near_since.setdefault(hostname, now)

    def started(self, hostname: str, run: EngineRun) -> None:
        """An engine was started: in its host's present epoch, where there is room, and beside nobody it must not."""
        if run.epoch != self._machines[hostname].epoch:
            present = self._machines[hostname].epoch
            self._complain(f"{hostname} started {run.replica_id} in epoch {run.epoch}; its epoch is {present}")
        self._judge_memory(hostname, self._machines[hostname])
        self._judge_replicas()

    def fenced(self, hostname: str, run: EngineRun) -> None:
        """A host ended an engine of a gang by itself, because it had not heard the scheduler for long."""
        near_s = self._clock.monotonic() - self._near_since.get(hostname, self._clock.monotonic())
        if near_s > _NEAR_S or run.assignment.gang is None:
            self._complain(f"{hostname} fenced {run.replica_id}; nothing has cut it off for {near_s:.0f} s")

    def _judge_memory(self, hostname: str, machine: Machine) -> None:
        """What engines were given fits into what there is; one that is exclusive has its devices alone."""
        has, assignments = machine.capacity(), [run.assignment for run in machine.running().values()]
        on_host = sum(item.version.resources.memory_bytes for item in assignments if not item.device_uuids)
        if on_host > has.memory_total_bytes:
            self._complain(f"the engines on {hostname} need {on_host} of {has.memory_total_bytes} bytes")
        for device in has.devices:
            holders = [item.version.resources for item in assignments if device.uuid in item.device_uuids]
            needed = sum(resources.memory_bytes for resources in holders)
            self.devices_judged += len(holders)
            if needed > device.memory_total_bytes:
                self._complain(f"{len(holders)} engines need {needed} bytes of device {device.uuid}")
            if len(holders) > 1 and any(resources.is_exclusive for resources in holders):
                self._complain(f"{len(holders)} engines run on {device.uuid}, one of them for itself alone")

    def _judge_replicas(self) -> None:
        """A replica runs on one host, and the members of a gang are all of one epoch."""
        epochs: dict[str, set[int]] = {}
        places: dict[str, list[str]] = {}
        for hostname, machine in self._machines.items():
            for replica_id, run in machine.running().items():
                places.setdefault(replica_id, []).append(hostname)
                if run.assignment.gang is not None:
                    self.gangs_judged += 1
                    epochs.setdefault(run.assignment.gang.gang_id, set()).add(run.assignment.gang.epoch)
        for gang_id, found in sorted(epochs.items()):
            if len(found) > 1:
                self._complain(f"members of epochs {sorted(found)} of gang {gang_id} run at once")
        for replica_id, hostnames in sorted(places.items()):
            if len(hostnames) > 1:
                self._complain(f"{replica_id} runs on {' and '.join(sorted(hostnames))} at once")


def decided_in(connection: sqlite3.Connection, hostname: str, run: EngineRun) -> Reason | None:
    """Return why the record says that an engine need not run on a host, or None when it does not say so."""
    orphans = connection.execute("SELECT orphans FROM nodes WHERE node_id = ?", (hostname,)).fetchone()
    if orphans is not None and run.replica_id in (orphans[0] or ""):
        return Reason.DEPLOYMENT_DELETED
    query = "SELECT desired, desired_reason, attempt, node_id, ended_at FROM replicas WHERE replica_id = ?"
    found = connection.execute(query, (run.replica_id,)).fetchone()
    if found is None:
        return None
    desired, reason, attempt, node_id, ended_at = found
    is_over = ended_at is not None or attempt > run.attempt or node_id != hostname
    return Reason(reason) if desired != "run" or is_over else None

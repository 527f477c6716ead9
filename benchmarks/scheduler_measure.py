"""The measurements of `scripts/bench scheduler` that need no bus: one size of fleet after another."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scheduler_fleet import GIB, LOST_REPLICAS, PER_DEPLOYMENT, Shape, a_spec
from benchmarks.scheduler_peers import scanned_per_s
from benchmarks.scheduler_stage import Cost, Stage, open_stage
from roundhouse_common.contracts.scheduler import Phase

__all__ = ["BURST", "MANY", "SECOND_LOOK_S", "Failover", "Result", "Times", "measure"]

BURST = 200
"""Deployments."""
MANY = 100
"""Deployments that change at once."""
SECOND_LOOK_S = 3.0
_LEASE_S, _GRACE_S = 15.0, 20.0


@dataclass(frozen=True, slots=True)
class Times:
    """How often each is measured."""

    bursts: int
    changes: int
    wholes: int
    scans: int


@dataclass(frozen=True, slots=True)
class Failover:
    """Seconds of work: the node is late, its grace is over, its replicas stand elsewhere, and that is told."""

    late_s: float
    overdue_s: float
    replaced_s: float
    told_s: float
    cpu_s: float
    """All of it."""

    @property
    def work_s(self) -> float:
        return self.late_s + self.overdue_s + self.replaced_s + self.told_s


@dataclass(frozen=True, slots=True)
class Result:
    """Everything about one size."""

    shape: Shape
    replicas: int
    bursts: Sequence[Cost]
    shapes: Sequence[Cost]
    firsts: Sequence[Cost]
    changes: Sequence[Cost]
    many: Sequence[Cost]
    sweeps: Sequence[Cost]
    wholes: Sequence[Cost]
    scanned_per_s: float
    failover: Failover


async def place(stage: Stage, count: int, *, at_once: int = BURST, are_alike: bool) -> list[Cost]:
    """Let the catalog want so many new deployments at once, several times; they stay."""
    costs: list[Cost] = []
    for _ in range(count):
        numbers = range(stage.made, stage.made + at_once)
        stage.made += at_once
        own = {number: 0 if are_alike else 2 * GIB + number * 4096 for number in numbers}
        await stage.want([a_spec(number, memory_bytes=own[number]) for number in numbers])
        stage.hear()
        costs.append(await stage.step())
        placed = [row for row in stage.plans[-1].new_replicas if row.phase is Phase.ASSIGNED]
        assert len(placed) == at_once * PER_DEPLOYMENT, f"{len(placed)} were placed"
        await stage.settle()
        stage.report()
        await stage.settle()
    return costs


async def change(stage: Stage, count: int, *, at_once: int = 1, is_whole: bool = False) -> list[Cost]:
    """Let one deployment after another, or so many at once, have one more replica."""
    costs: list[Cost] = []
    for _ in range(count):
        numbers = range(stage.changed, stage.changed + at_once)
        stage.changed += at_once
        stage.hear()
        await stage.want([a_spec(number, replicas=PER_DEPLOYMENT + 1, generation=2) for number in numbers])
        if is_whole:
            stage.core.planner.mirror.doubt()
            stage.core.attention.everything()
        costs.append(await stage.step())
        placed = [row.phase for row in stage.plans[-1].new_replicas]
        assert placed == [Phase.ASSIGNED] * at_once, f"{placed}"
        await stage.settle()
    return costs


async def sweep(stage: Stage, count: int) -> list[Cost]:
    """Look at everything, as the planner does every minute; nothing changes."""
    costs: list[Cost] = []
    for _ in range(count):
        stage.hear()
        stage.core.attention.everything()
        costs.append(await stage.step())
        assert stage.plans[-1].is_empty, "everything is as it should be"
    return costs


async def lose_a_node(stage: Stage) -> Failover:
    """Let the first node fall silent, and skip what is waited for."""
    await stage.core.endpoints.sync()
    await stage.core.assignments.sync()
    stage.core.attention.everything()
    stage.hear()
    await stage.settle()
    costs: list[Cost] = []
    for wait_s in (_LEASE_S, _GRACE_S, SECOND_LOOK_S):
        stage.let_pass(wait_s + 0.1, but_for="nod_00000")
        costs.append(await stage.step())
    plan = stage.plans[-1]
    placed = [row for row in plan.new_replicas if row.phase is Phase.ASSIGNED]
    assert len(placed) == LOST_REPLICAS, f"{len(placed)} were replaced"
    cpu, began = time.process_time(), time.perf_counter()
    await stage.core.endpoints.sync(only={row.deployment_id for row in plan.deployments})
    await stage.core.assignments.sync(only={row.node_id for row in plan.nodes})
    told_s, told_cpu_s = time.perf_counter() - began, time.process_time() - cpu
    late, overdue, replaced = (cost.wall_s for cost in costs)
    return Failover(
        late_s=late,
        overdue_s=overdue,
        replaced_s=replaced,
        told_s=told_s,
        cpu_s=told_cpu_s + sum(cost.cpu_s for cost in costs),
    )


async def measure(nodes: int, most: int, times: Times) -> Result:
    """Measure one size: bursts fill the fleet up to what it shall hold."""
    shape = Shape.of(nodes, most)
    added = 2 * times.bursts * BURST * PER_DEPLOYMENT
    with tempfile.TemporaryDirectory(prefix="roundhouse-bench-") as directory:
        async with open_stage(Path(directory), Shape(nodes, shape.replicas - added)) as stage:
            await change(stage, 1)
            bursts = await place(stage, times.bursts, are_alike=True)
            shapes = await place(stage, times.bursts, are_alike=False)
            firsts = await place(stage, times.changes // 4, at_once=1, are_alike=False)
            changes = await change(stage, times.changes)
            many = await change(stage, times.bursts, at_once=MANY)
            sweeps = await sweep(stage, times.bursts)
            wholes = await change(stage, times.wholes, is_whole=True)
            scanned = max(scanned_per_s(stage, times.scans) for _ in range(times.wholes))
            replicas = sum(stage.core.planner.mirror.phases.values())
            failover = await lose_a_node(stage)
    return Result(shape, replicas, bursts, shapes, firsts, changes, many, sweeps, wholes, scanned, failover)

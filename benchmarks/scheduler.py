"""What planning costs, and how it grows with the fleet: `scripts/bench scheduler [--quick]`.

The real scheduler plans over synthetic fleets in real SQLite files, one pass at a time, on one core. In one run it
measures, at each size of the fleet,

- 2,000 replicas of 200 new deployments placed: from the catalog's specs to committed assignments;
- one changed deployment: the same for one more replica; and beside it a scheduler that reads and looks at everything;
- the loss of a node with 100 replicas: the work from the end of its lease to the written assignments;

and then the bus, a real nats-server with 500 agents (benchmarks/scheduler_bus.py). Times are the best of several: other
work on the machine only ever adds.
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import uvloop

from benchmarks.scheduler_bus import measure_bus
from benchmarks.scheduler_fleet import GIB, LOST_REPLICAS, PER_DEPLOYMENT, Shape, a_spec
from benchmarks.scheduler_peers import scanned_per_s
from benchmarks.scheduler_stage import Cost, Stage, open_stage
from roundhouse_common.contracts.scheduler import Phase
from roundhouse_common.service.logging import configure_logging

_NODES = (100, 1000, 5000)
_MOST_REPLICAS = 20_000
_BURST = 200
"""Deployments."""
_MANY = 100
"""Deployments that change at once."""
_LEASE_S, _GRACE_S, _SECOND_LOOK_S = 15.0, 20.0, 3.0


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
    nodes: int

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
    changes: Sequence[Cost]
    many: Sequence[Cost]
    sweeps: Sequence[Cost]
    wholes: Sequence[Cost]
    scanned_per_s: float
    failover: Failover


async def place_bursts(stage: Stage, first: int, count: int, *, are_alike: bool) -> list[Cost]:
    """Let the catalog want 200 new deployments at once, several times; they stay."""
    costs: list[Cost] = []
    for burst in range(count):
        numbers = range(first + burst * _BURST, first + (burst + 1) * _BURST)
        own = {number: 0 if are_alike else 2 * GIB + number * 4096 for number in numbers}
        await stage.want([a_spec(number, memory_bytes=own[number]) for number in numbers])
        stage.hear()
        costs.append(await stage.step())
        placed = [row for row in stage.plans[-1].new_replicas if row.phase is Phase.ASSIGNED]
        assert len(placed) == _BURST * PER_DEPLOYMENT, f"{len(placed)} were placed"
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
    for wait_s in (_LEASE_S, _GRACE_S, _SECOND_LOOK_S):
        stage.let_pass(wait_s + 0.1, but_for="nod_00000")
        costs.append(await stage.step())
    plan = stage.plans[-1]
    placed = [row for row in plan.new_replicas if row.phase is Phase.ASSIGNED]
    assert len(placed) == LOST_REPLICAS, f"{len(placed)} were replaced"
    began = time.perf_counter()
    await stage.core.endpoints.sync(only={row.deployment_id for row in plan.deployments})
    await stage.core.assignments.sync(only={row.node_id for row in plan.nodes})
    told_s = time.perf_counter() - began
    late, overdue, replaced = (cost.wall_s for cost in costs)
    return Failover(
        late_s=late, overdue_s=overdue, replaced_s=replaced, told_s=told_s, nodes=len({row.node_id for row in placed})
    )


async def measure(nodes: int, most: int, times: Times) -> Result:
    """Measure one size: bursts fill the fleet up to what it shall hold."""
    shape = Shape.of(nodes, most)
    added = 2 * times.bursts * _BURST * PER_DEPLOYMENT
    first = shape.deployments
    with tempfile.TemporaryDirectory(prefix="roundhouse-bench-") as directory:
        async with open_stage(Path(directory), Shape(nodes, shape.replicas - added)) as stage:
            await change(stage, 1)
            bursts = await place_bursts(stage, first, times.bursts, are_alike=True)
            shapes = await place_bursts(stage, first + times.bursts * _BURST, times.bursts, are_alike=False)
            changes = await change(stage, times.changes)
            many = await change(stage, times.bursts, at_once=_MANY)
            sweeps = await sweep(stage, times.bursts)
            wholes = await change(stage, times.wholes, is_whole=True)
            scanned = max(scanned_per_s(stage, times.scans) for _ in range(times.wholes))
            replicas = sum(stage.core.planner.mirror.phases.values())
            failover = await lose_a_node(stage)
    return Result(shape, replicas, bursts, shapes, changes, many, sweeps, wholes, scanned, failover)


def best(costs: Sequence[Cost], what: str) -> float:
    """Return the least of one of the figures."""
    least: float = min(getattr(cost, what) for cost in costs)
    return least


def show(name: str, values: Sequence[float], *, digits: int = 0, is_cost: bool = True) -> None:
    """Print a row: the values, and what each costs compared with that of the size before."""
    growth = [after / before if is_cost else before / after for before, after in zip(values, values[1:], strict=False)]
    figures = "".join(f"{value:>12,.{digits}f}" for value in values)
    print(f"{name:<50}{figures}" + "".join(f"{ratio:>10.2f}" for ratio in growth), flush=True)


def show_all(results: Sequence[Result]) -> None:
    sizes = "".join(f"{result.shape.nodes:>12,}" for result in results)
    steps = zip(results, results[1:], strict=False)
    growth = "".join(f"{f'x{after.shape.nodes // before.shape.nodes}':>10}" for before, after in steps)
    print(f"{'nodes of 8 devices':<50}{sizes}{growth}")
    print(f"{'replicas in the end':<50}" + "".join(f"{result.replicas:>12,}" for result in results))
    count = _BURST * PER_DEPLOYMENT
    print(f"\n{count:,} replicas of {_BURST} new deployments in one plan")
    show_burst("alike", [result.bursts for result in results])
    show_burst("each deployment with a need of its own", [result.shapes for result in results])
    alike = [count / best(result.bursts, "decide_s") for result in results]
    show("placements/s, peer: a scan of all nodes, no commit", [r.scanned_per_s for r in results], is_cost=False)
    show(
        "  alike, decided alone, against the scan: times",
        [rate / result.scanned_per_s for rate, result in zip(alike, results, strict=True)],
        is_cost=False,
    )
    print("\none changed deployment, ms")
    show("planned, spec taken and plan committed: best", [1e3 * best(r.changes, "wall_s") for r in results], digits=1)
    show("  median", [1e3 * statistics.median(c.wall_s for c in r.changes) for r in results], digits=1)
    show("  CPU, best", [1e3 * best(r.changes, "cpu_s") for r in results], digits=1)
    show("  decided alone", [1e3 * best(r.changes, "decide_s") for r in results], digits=2)
    show(f"{_MANY} changed at once, each", [1e3 * best(r.many, "wall_s") / _MANY for r in results], digits=2)
    show("  decided alone", [1e3 * best(r.many, "decide_s") / _MANY for r in results], digits=2)
    show(
        "nothing changed, everything looked at (each minute)",
        [1e3 * best(r.sweeps, "wall_s") for r in results],
        digits=1,
    )
    show("peer: everything read and looked at", [1e3 * best(r.wholes, "wall_s") for r in results], digits=1)
    show("  decided alone", [1e3 * best(r.wholes, "decide_s") for r in results], digits=2)
    ratios = [best(r.wholes, "wall_s") / best(r.changes, "wall_s") for r in results]
    show("  peer against planned: times", ratios, is_cost=False)
    print(f"\na node with {LOST_REPLICAS} replicas is lost, ms of work")
    show("its lease is over: late", [1e3 * r.failover.late_s for r in results], digits=1)
    show("the deployments' grace is over: noted", [1e3 * r.failover.overdue_s for r in results], digits=1)
    show("second look: replaced, placed, committed", [1e3 * r.failover.replaced_s for r in results], digits=1)
    show("endpoints and assignments written (memory bus)", [1e3 * r.failover.told_s for r in results], digits=1)
    show("all of it", [1e3 * r.failover.work_s for r in results], digits=1)
    print(f"waited for besides: the deployment's disconnect_grace, and {_SECOND_LOOK_S:.0f} s between the two looks")


def show_burst(name: str, bursts: Sequence[Sequence[Cost]]) -> None:
    count = _BURST * PER_DEPLOYMENT
    show(f"{name}: the plan, ms", [1e3 * best(costs, "wall_s") for costs in bursts])
    show("  placements/s", [count / best(costs, "wall_s") for costs in bursts], is_cost=False)
    show("  placements per second of CPU", [count / best(costs, "cpu_s") for costs in bursts], is_cost=False)
    show("  placements/s, decided alone", [count / best(costs, "decide_s") for costs in bursts], is_cost=False)


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Keep this process, its threads included, on the core that is least busy, where the platform can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    busy = psutil.cpu_percent(interval=0.5, percpu=True)
    os.sched_setaffinity(0, {min(before, key=lambda core: busy[core] if core < len(busy) else 0.0)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench scheduler", description="what planning costs")
    parser.add_argument("--quick", action="store_true", help="each once or a few times, without 5,000 nodes")
    parser.add_argument("--replicas", type=int, default=_MOST_REPLICAS, help="at most so many (default %(default)s)")
    parser.add_argument("--only", choices=["plans", "bus"], help="one of the two parts")
    options = parser.parse_args()
    times = Times(1, 5, 1, 20) if options.quick else Times(3, 20, 2, 50)
    sizes = _NODES[:2] if options.quick else _NODES
    with tempfile.NamedTemporaryFile("w", prefix="roundhouse-bench-", suffix=".log") as log:
        with contextlib.redirect_stderr(log):
            configure_logging(service="scheduler", instance="bench")
            if options.only != "bus":
                with one_core():
                    show_all([uvloop.run(measure(nodes, options.replicas, times)) for nodes in sizes])
            if options.only != "plans":
                uvloop.run(measure_bus(seconds=9.0 if options.quick else 30.0))


if __name__ == "__main__":
    main()

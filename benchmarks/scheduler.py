"""What planning costs, and how it grows with the fleet: `scripts/bench scheduler [--quick]`.

The real scheduler plans over synthetic fleets in real SQLite files, one pass at a time, on one core. In one run it
measures, at each size of the fleet,

- 2,000 replicas of 200 new deployments placed: from the catalog's specs to committed assignments;
- one changed deployment: the same for one more replica; and beside it a scheduler that reads and looks at everything;
- the loss of a node with 100 replicas: the work from the end of its lease to the written assignments;

and then the bus, a real nats-server with 500 agents (benchmarks/scheduler_bus.py). Times are the best of several, as
other work on the machine only ever adds; CPU is that of the whole process. On the right stands what a row costs against
the size before, for rates too: 1.00 is as fast as there.
"""

import argparse
import contextlib
import itertools
import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence

import psutil
import uvloop

from benchmarks.scheduler_bus import measure_bus
from benchmarks.scheduler_fleet import LOST_REPLICAS, PER_DEPLOYMENT
from benchmarks.scheduler_measure import BURST, MANY, SECOND_LOOK_S, Result, Times, measure
from benchmarks.scheduler_stage import Cost
from roundhouse_common.service.logging import configure_logging

_NODES = (100, 1000, 5000)
_MOST_REPLICAS = 20_000


def best(costs: Sequence[Cost], what: str) -> float:
    """Return the least of one of the figures."""
    least: float = min(getattr(cost, what) for cost in costs)
    return least


def show(name: str, values: Sequence[float], *, digits: int = 0, is_cost: bool = True) -> None:
    """Print a row: the values, and what each costs compared with that of the size before."""
    growth = [after / before if is_cost else before / after for before, after in itertools.pairwise(values)]
    figures = "".join(f"{value:>12,.{digits}f}" for value in values)
    print(f"{name:<50}{figures}" + "".join(f"{ratio:>10.2f}" for ratio in growth), flush=True)


def show_all(results: Sequence[Result]) -> None:
    sizes = "".join(f"{result.shape.nodes:>12,}" for result in results)
    steps = itertools.pairwise(results)
    growth = "".join(f"{f'x{after.shape.nodes // before.shape.nodes}':>10}" for before, after in steps)
    print(f"{'nodes of 8 devices':<50}{sizes}{growth}")
    print(f"{'replicas in the end':<50}" + "".join(f"{result.replicas:>12,}" for result in results))
    count = BURST * PER_DEPLOYMENT
    print(f"\n{count:,} replicas of {BURST} new deployments in one plan")
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
    show(f"{MANY} changed at once, each", [1e3 * best(r.many, "wall_s") / MANY for r in results], digits=2)
    show("  decided alone", [1e3 * best(r.many, "decide_s") / MANY for r in results], digits=2)
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
    show("  CPU", [1e3 * r.failover.cpu_s for r in results], digits=1)
    print(f"waited for besides: the deployment's disconnect_grace, and {SECOND_LOOK_S:.0f} s between the two looks")


def show_burst(name: str, bursts: Sequence[Sequence[Cost]]) -> None:
    count = BURST * PER_DEPLOYMENT
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
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(tempfile.NamedTemporaryFile("w", prefix="roundhouse-bench-", suffix=".log"))
        stack.enter_context(contextlib.redirect_stderr(log))  # written, as a service's log is
        configure_logging(service="scheduler", instance="bench")
        if options.only != "bus":
            with one_core():
                show_all([uvloop.run(measure(nodes, options.replicas, times)) for nodes in sizes])
        if options.only != "plans":
            uvloop.run(measure_bus(seconds=9.0 if options.quick else 30.0))


if __name__ == "__main__":
    main()

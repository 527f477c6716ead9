"""The scheduler on a real bus: a real nats-server, 500 agents with connections and credentials of their own, and all
loops of the scheduler. Measures what heartbeats cost and how long they take, and a lost node from the end of its lease
to the assignments as the agents read them."""

import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from prometheus_client import CollectorRegistry

from benchmarks.scheduler_fleet import LOST_REPLICAS, Shape, fill
from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.bus.publisher import Publisher
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.catalog import DeploymentSpec
from roundhouse_common.contracts.node import Heartbeat
from roundhouse_common.contracts.registry import SPECS
from roundhouse_common.database import Database
from roundhouse_common.runtime import SystemClock, SystemIds
from roundhouse_scheduler.core import SchedulerCore
from roundhouse_scheduler.domain.records import NodeState
from roundhouse_scheduler.domain.rules import Rules
from tests.support.nats import NatsServer

__all__ = ["measure_bus"]

_SHAPE = Shape(nodes=500, replicas=10_000)
_RULES = Rules()
_BURSTS = 5
_CLOCK = SystemClock()


@dataclass
class Ear:
    """Every heartbeat that the scheduler handled: how long after it was sent."""

    delays_s: list[float] = field(default_factory=list)
    last_of: dict[str, float] = field(default_factory=dict)

    def listen(self, core: SchedulerCore) -> None:
        """Stand behind the scheduler's own handler."""
        take = core.hearing.take_heartbeat

        async def timed(beat: Heartbeat, ids: tuple[str, ...]) -> None:
            await take(beat, ids)
            now = time.monotonic()
            self.delays_s.append(now - beat.sequence / 1e6)
            self.last_of[beat.node_id] = now

        core.hearing.take_heartbeat = timed  # type: ignore[method-assign]

    async def heard(self, count: int) -> None:
        """Wait for so many in all."""
        async with asyncio.timeout(60):
            while len(self.delays_s) < count:
                await asyncio.sleep(0.001)


class Agents:
    """The process that all agents are in."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.usage = psutil.Process(process.pid)

    # Any: JSON, as the command has it.
    async def ask(self, *command: Any) -> Any:
        """Send a command and return the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        return await self.answer()

    async def answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(await self._process.stdout.readline())


@asynccontextmanager
async def agents_of(server: NatsServer, at: float) -> AsyncIterator[Agents]:
    """Run the agents; they have connected and reported."""
    arguments = [server.url, str(server.directory), str(_SHAPE.nodes), str(_SHAPE.replicas), str(at)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.scheduler_agents", *arguments, stdin=pipe, stdout=pipe, limit=2**24
    )
    try:
        agents = Agents(process)
        await agents.answer()
        yield agents
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


@dataclass(frozen=True)
class Field:
    """What runs."""

    core: SchedulerCore
    ear: Ear
    agents: Agents
    server: psutil.Process


@asynccontextmanager
async def open_field(directory: Path) -> AsyncIterator[Field]:
    """Start the server, the scheduler and the agents, and wait until nothing is left to do."""
    at = _CLOCK.now()
    async with AsyncExitStack() as stack:
        server = NatsServer(directory)
        for number in range(_SHAPE.nodes):
            server.make_node(f"nod_{number:05d}")
        server.start()
        stack.callback(server.kill)
        db = Database(f"sqlite+aiosqlite:///{directory}/fleet.db", service="scheduler")
        await db.migrate("roundhouse_scheduler.migrations")
        await stack.enter_async_context(db)
        specs = await fill(db, _SHAPE, at)
        bus = await connected(stack, server, Service.SCHEDULER)
        core = SchedulerCore(
            db=db,
            bus=bus,
            clock=_CLOCK,
            ids=SystemIds(),
            rng=random.Random(1),
            rules=_RULES,
            registry=CollectorRegistry(),
        )
        ear = Ear()
        ear.listen(core)
        await core.start()
        catalog = Publisher(await connected(stack, server, Service.CATALOG), SPECS, desired=lambda: _wanted(specs))
        await catalog.sync()
        agents = await stack.enter_async_context(agents_of(server, at))
        await agents.ask("beat", _RULES.heartbeat_interval_s)
        turning = [asyncio.ensure_future(loop()) for loop in core.loops().values()]
        stack.push_async_callback(_end, turning)
        yield Field(core, ear, agents, _server_process())


async def _wanted(specs: Sequence[DeploymentSpec]) -> dict[str, DeploymentSpec]:
    return {spec.deployment_id: spec for spec in specs}


async def _end(tasks: Sequence[asyncio.Future[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _server_process() -> psutil.Process:
    return next(child for child in psutil.Process().children() if "nats-server" in child.name())


async def connected(stack: AsyncExitStack, server: NatsServer, service: Service) -> NatsBus:
    """Connect a service until the stack is left."""
    bus = NatsBus(service, url=server.url, seed_file=server.seed_file(service), clock=_CLOCK)
    await bus.connect()
    stack.push_async_callback(bus.close)
    return bus


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    total: float = times.user + times.system
    return total


async def settled(fleet: Field) -> None:
    """Wait until every node was heard and taken in, and the scheduler rests."""
    async with asyncio.timeout(120):
        while fleet.core.planner.mirror.states[NodeState.READY] < _SHAPE.nodes or len(fleet.ear.last_of) < _SHAPE.nodes:
            await asyncio.sleep(0.2)
        sequence = [row.report_sequence for row in fleet.core.planner.mirror.nodes.values()]
        while min(sequence) < 1:
            await asyncio.sleep(0.2)
            sequence = [row.report_sequence for row in fleet.core.planner.mirror.nodes.values()]
    await asyncio.sleep(5.0)


async def steady(fleet: Field, seconds: float) -> None:
    """Measure a fleet in which nothing happens but heartbeats."""
    processes = (fleet.server, psutil.Process(), fleet.agents.usage)
    before, began, known = [_cpu_s(item) for item in processes], time.monotonic(), len(fleet.ear.delays_s)
    await asyncio.sleep(seconds)
    wall_s = time.monotonic() - began
    server_s, scheduler_s, agents_s = (_cpu_s(item) - was for item, was in zip(processes, before, strict=True))
    delays_ms = sorted(1e3 * item for item in fleet.ear.delays_s[known:])
    count = len(delays_ms)
    print(f"\n{_SHAPE.nodes} agents that beat every {_RULES.heartbeat_interval_s:.0f} s, {_SHAPE.replicas:,} replicas")
    print(f"{'heartbeats handled, per second':<50}{count / wall_s:>12,.1f}")
    expected = wall_s * _SHAPE.nodes / _RULES.heartbeat_interval_s
    print(f"{'  of those sent':<50}{count / expected:>11.1%}")
    for label, share in (("p50", 0.5), ("p99", 0.99)):
        value = delays_ms[min(count - 1, int(count * share))]
        print(f"{f'from sent to handled, {label}, ms':<50}{value:>12.2f}")
    print(f"{'CPU of the scheduler, share of a core':<50}{scheduler_s / wall_s:>11.1%}")
    print(f"{'CPU of nats-server, share of a core':<50}{server_s / wall_s:>11.1%}")
    print(f"{'CPU of the 500 agents together':<50}{agents_s / wall_s:>11.1%}")


async def bursts(fleet: Field) -> None:
    """Let all agents beat at once."""
    await fleet.agents.ask("rest")
    times_s: list[float] = []
    costs_s: list[float] = []
    for _ in range(_BURSTS):
        await asyncio.sleep(0.5)
        fleet.ear.delays_s.clear()
        cpu, began = time.process_time(), time.monotonic()
        await fleet.agents.ask("burst")
        await fleet.ear.heard(_SHAPE.nodes)
        times_s.append(time.monotonic() - began)
        costs_s.append(time.process_time() - cpu)
    await fleet.agents.ask("beat", _RULES.heartbeat_interval_s)
    print(f"{f'{_SHAPE.nodes} heartbeats at once: all handled after, ms':<50}{1e3 * min(times_s):>12.1f}")
    print(f"{'  CPU of the scheduler per heartbeat, µs':<50}{1e6 * min(costs_s) / _SHAPE.nodes:>12.0f}")


async def lost_node(fleet: Field) -> None:
    """Let the first node fall silent for good."""
    node_id = "nod_00000"
    await fleet.agents.ask("die", 0)
    await asyncio.sleep(1.0)
    expired_at = fleet.ear.last_of[node_id] + _RULES.lease_s
    mirror = fleet.core.planner.mirror
    lost = set(mirror.index.on(node_id))
    assert len(lost) == LOST_REPLICAS, f"{len(lost)} were on it"
    while True:
        await asyncio.sleep(0.1)
        heirs = [row for row in mirror.replicas.values() if row.replaces in lost and row.node_id]
        if len(heirs) == LOST_REPLICAS:
            break
    await asyncio.sleep(3.0)
    told = await fleet.agents.ask("told", expired_at)
    nodes = len({row.node_id for row in heirs})
    assert len(told) >= nodes, f"{len(told)} documents came for {nodes} nodes"
    grace_s = next(iter(mirror.deployments.values())).disconnect_grace_s
    waits_s = grace_s + _RULES.second_look_s
    after_s = max(told) - expired_at
    print(f"\na node with {LOST_REPLICAS} replicas falls silent; all loops, timers and messages as in production")
    print(f"{'the last of the new assignments is read after, s':<50}{after_s:>12.2f}   from the end of the lease")
    print(f"{'  of it disconnect_grace and second look':<50}{waits_s:>12.2f}")
    print(f"{'  of it work and messages, ms':<50}{1e3 * (after_s - waits_s):>12.0f}")
    print(f"{'nodes that got replicas':<50}{nodes:>12}")


async def measure_bus(*, seconds: float) -> None:
    """Print all of it."""
    with tempfile.TemporaryDirectory(prefix="roundhouse-bench-") as directory:
        async with open_field(Path(directory)) as fleet:
            await settled(fleet)
            await steady(fleet, seconds)
            await bursts(fleet)
            await asyncio.sleep(2 * _RULES.heartbeat_interval_s)
            await lost_node(fleet)

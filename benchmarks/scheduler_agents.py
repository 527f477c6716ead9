"""The agents of a whole fleet in one process, each with a connection and credentials of its own: they beat, report
once, and note when they read their assignments. Commands come on stdin, answers go to stdout, one JSON document a line.

    python -m benchmarks.scheduler_agents URL DIRECTORY NODES REPLICAS AT
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.scheduler_fleet import Shape, records, reports_of
from roundhouse_common.bus.api import Bus
from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.bus.projection import Projection
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.node import Heartbeat, NodeReport, digest_of
from roundhouse_common.contracts.registry import ASSIGNMENTS, HEARTBEAT, REPORTS
from roundhouse_common.contracts.scheduler import NodeAssignments
from roundhouse_common.runtime import SystemClock
from roundhouse_common.service.logging import configure_logging

_CONNECT_AT_ONCE = 20


class Agent:
    """One of them."""

    def __init__(self, bus: Bus, report: NodeReport) -> None:
        self.bus = bus
        self.is_alive = True
        self.beats = 0
        self.told: list[tuple[float, int]] = []
        """When assignments came, and of how many replicas."""
        self._report = report
        self._digest = digest_of(report.replicas)
        self._node_id = report.node_id

    async def report(self) -> None:
        await self.bus.bucket(REPORTS).put(self._node_id, self._report)

    async def follow(self) -> None:
        await Projection(self.bus, ASSIGNMENTS, on_change=self._take, only_key=self._node_id).run()

    def _take(self, changed: Mapping[str, NodeAssignments]) -> None:
        self.told.extend((time.monotonic(), len(document.assignments)) for document in changed.values())

    async def beat(self) -> None:
        """The sequence is the time at which it was sent, in microseconds of the clock that both processes have."""
        if not self.is_alive:
            return
        self.beats += 1
        beat = Heartbeat(
            node_id=self._node_id,
            epoch=self._report.epoch,
            incarnation=self._report.incarnation,
            sequence=int(time.monotonic() * 1e6),
            digest=self._digest,
        )
        await self.bus.signal(HEARTBEAT, beat, self._node_id)


async def _connect(
    url: str, directory: Path, report: NodeReport, stack: AsyncExitStack, gate: asyncio.Semaphore
) -> Agent:
    async with gate:
        seed = directory / f"{report.node_id}.seed"
        bus = NatsBus(Service.NODE_AGENT, url=url, seed_file=seed, clock=SystemClock(), node_id=report.node_id)
        await bus.connect()
        stack.push_async_callback(bus.close)
        agent = Agent(bus, report)
        await agent.report()
        return agent


async def _keep_beating(agent: Agent, after_s: float, interval_s: float) -> None:
    await asyncio.sleep(after_s)
    while True:
        await agent.beat()
        await asyncio.sleep(interval_s)


async def _obey(agents: list[Agent], beating: list[asyncio.Task[None]], command: list[Any]) -> object:
    match command:
        case ["beat", float(interval_s)]:
            share = interval_s / len(agents)
            for number, agent in enumerate(agents):
                beating.append(asyncio.create_task(_keep_beating(agent, number * share, interval_s)))
            return len(agents)
        case ["rest"]:
            for task in beating:
                task.cancel()
            await asyncio.gather(*beating, return_exceptions=True)
            beating.clear()
            return sum(agent.beats for agent in agents)
        case ["burst"]:
            for agent in agents:
                await agent.beat()
            return len(agents)
        case ["die", int(number)]:
            agents[number].is_alive = False
            return number
        case ["told", float(since)]:
            return [at for agent in agents for at, _ in agent.told if at >= since]
    raise ValueError(f"unknown command {command}")


async def main(url: str, directory: Path, shape: Shape, at: float) -> None:
    """Connect, say so, and obey until stdin ends."""
    _, nodes, replicas = records(shape, at)
    reports = reports_of({row.node_id: row for row in nodes}, replicas)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    gate = asyncio.Semaphore(_CONNECT_AT_ONCE)
    beating: list[asyncio.Task[None]] = []
    async with AsyncExitStack() as stack:
        agents = await asyncio.gather(*(_connect(url, directory, item, stack, gate) for item in reports.values()))
        following = [asyncio.create_task(agent.follow()) for agent in agents]
        _say(len(agents))
        while line := await reader.readline():
            _say(await _obey(agents, beating, json.loads(line)))
        for task in (*following, *beating):
            task.cancel()
        await asyncio.gather(*following, *beating, return_exceptions=True)


def _say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    configure_logging(service="node-agent", instance="bench", level="warning")
    uvloop.run(main(sys.argv[1], Path(sys.argv[2]), Shape(int(sys.argv[3]), int(sys.argv[4])), float(sys.argv[5])))

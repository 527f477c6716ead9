"""Two hundred agents on a real nats-server that stands still: all heartbeats are late at once, and nobody is dead."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.bus.publisher import Publisher
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.catalog import DeploymentSpec
from roundhouse_common.contracts.registry import SPECS
from roundhouse_common.contracts.scheduler import Phase
from roundhouse_common.database import Database
from roundhouse_common.runtime import NodeId, SystemClock, SystemIds, system_random
from roundhouse_node_agent.core import AgentOptions, NodeAgent
from roundhouse_scheduler.core import SchedulerCore
from roundhouse_scheduler.domain.plan import BrakeHeld, Moved
from roundhouse_scheduler.domain.records import NodeState
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.store.look import read_records
from roundhouse_scheduler.store.tables import metadata
from tests.component.scheduler.test_scheduler_store import a_spec
from tests.support.databases import database
from tests.support.eventually import eventually
from tests.support.fake_host import FakeHost
from tests.support.nats import NatsServer
from tests.support.tasks import running

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

_AGENTS = 200
_RULES = Rules(heartbeat_interval_s=1.0, lease_s=3.0, second_look_s=0.5, node_grace_s=3.0)
"""All are late well before the scheduler itself notices, by pings, that its server stands still: 6 s or more."""
_GRACE_S = 2.0
_CLOCK = SystemClock()


@dataclass
class Fleet:
    """One scheduler, two hundred hosts with one engine each, and what was decided."""

    db: Database
    hosts: dict[str, FakeHost]
    actions: list[object] = field(default_factory=list)

    async def phases(self) -> Counter[Phase]:
        async with self.db.read() as session:
            return Counter(row.phase for row in (await read_records(session)).replicas.values())

    async def states(self) -> Counter[NodeState]:
        async with self.db.read() as session:
            return Counter(row.state for row in (await read_records(session)).nodes.values())

    async def all_are_ready(self) -> bool:
        return await self.phases() == {Phase.READY: _AGENTS} and await self.states() == {NodeState.READY: _AGENTS}

    async def nearly_all_are_late(self) -> bool:
        """A few last beats may have been read after the silence began: of those the scheduler, once it knows itself cut
        off, says nothing."""
        return (await self.states())[NodeState.LATE] >= _AGENTS * 3 // 4

    def running(self) -> int:
        return sum(len(host.running()) for host in self.hosts.values())

    def stopped(self) -> list[object]:
        return [item for host in self.hosts.values() for item in host.stopped]


@pytest_asyncio.fixture
async def fleet(nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Fleet]:
    spec = a_spec(1, replicas=_AGENTS, disconnect_grace_s=_GRACE_S)

    async def desired() -> Mapping[str, DeploymentSpec]:
        return {spec.deployment_id: spec}

    async with AsyncExitStack() as stack:

        async def connected(service: Service, node_id: str = "") -> NatsBus:
            seed = nats_server.seed_file(service, node_id)
            bus = NatsBus(service, url=nats_server.url, seed_file=seed, clock=_CLOCK, node_id=node_id)
            await bus.connect()
            stack.push_async_callback(bus.close)
            return bus

        async def run(loops: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
            for loop in loops.values():
                await stack.enter_async_context(running(_awaited(loop)))

        db = await stack.enter_async_context(database(f"sqlite+aiosqlite:///{tmp_path}/s.db", metadata))
        core = SchedulerCore(
            db=db,
            bus=await connected(Service.SCHEDULER),
            clock=_CLOCK,
            ids=SystemIds(),
            rng=system_random(),
            rules=_RULES,
            registry=CollectorRegistry(),
        )
        made = Fleet(db, {})
        core.observers.append(lambda _view, plan: made.actions.extend(plan.actions))
        publisher = Publisher(await connected(Service.CATALOG), SPECS, desired=desired)
        await core.start()
        await run(core.loops())
        for number in range(_AGENTS):
            node_id = f"nod_{number:03d}"
            nats_server.make_node(node_id)
            made.hosts[node_id] = FakeHost(_CLOCK, hostname=node_id, load_s=0.2)
            agent = NodeAgent(
                node_id=NodeId(node_id),
                bus=await connected(Service.NODE_AGENT, node_id),
                host=made.hosts[node_id],
                clock=_CLOCK,
                ids=SystemIds(),
                rng=system_random(),
                options=AgentOptions(drain_settle_s=0.1, ready_poll_s=0.3),
            )
            await agent.start()
            await run(agent.loops())
        await run({"publisher": publisher.run})
        yield made


async def _awaited(loop: Callable[[], Awaitable[None]]) -> None:
    await loop()


@pytest.mark.contract("A12")
async def test_when_two_hundred_agents_are_late_at_once_no_engine_is_stopped(
    nats_server: NatsServer, fleet: Fleet
) -> None:
    await eventually(fleet.all_are_ready, within_s=120)
    started = {node_id: list(host.launched) for node_id, host in fleet.hosts.items()}
    fleet.actions.clear()

    nats_server.pause()
    try:
        await eventually(fleet.nearly_all_are_late, within_s=30)
        patience_s = 2 * (_GRACE_S + _RULES.second_look_s + _RULES.node_grace_s)
        until = _CLOCK.monotonic() + patience_s
        while _CLOCK.monotonic() < until:
            assert fleet.running() == _AGENTS
            await asyncio.sleep(0.5)
    finally:
        nats_server.resume()
    await eventually(fleet.all_are_ready, within_s=120)

    assert any(isinstance(action, BrakeHeld) for action in fleet.actions)
    lost = [action for action in fleet.actions if isinstance(action, Moved) and action.after is Phase.LOST]
    assert lost == []
    assert fleet.stopped() == []
    assert {node_id: list(host.launched) for node_id, host in fleet.hosts.items()} == started

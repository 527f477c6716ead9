"""Two schedulers on one database: one plans, the other stands by, and nothing of an old term is ever written."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.catalog import DeploymentSpec
from roundhouse_common.contracts.registry import ASSIGNMENTS, SPECS
from roundhouse_common.contracts.scheduler import RegisterNode
from roundhouse_common.database import Database
from roundhouse_common.runtime import SystemClock, SystemIds
from roundhouse_scheduler.core import SchedulerCore
from roundhouse_scheduler.domain.errors import NotLeading, TermSuperseded
from roundhouse_scheduler.domain.records import NodeState
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.loops.leadership import Leadership, LeaseRules
from roundhouse_scheduler.metrics import SchedulerMetrics
from roundhouse_scheduler.store.changes import read_changes
from roundhouse_scheduler.store.leadership import read_claim
from tests.component.scheduler.test_scheduler_store import a_spec
from tests.support.scheduler import an_inventory

LEASE_S = 15.0


class HandClock(SystemClock):
    """The real time plus what a test adds: each process has one of its own."""

    def __init__(self, ahead_s: float = 0.0) -> None:
        self.ahead_s = ahead_s

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s


@dataclass(frozen=True)
class Process:
    """One scheduler of several; nothing turns by itself."""

    core: SchedulerCore
    clock: HandClock
    bus: MemoryBus

    @property
    def leads(self) -> bool:
        return self.core.leadership.is_leading


class Cluster:
    """Schedulers on one database and one bus."""

    def __init__(self, db: Database, stack: AsyncExitStack) -> None:
        self.db = db
        self.broker = MemoryBroker(SystemClock())
        self._stack = stack

    async def start(self, name: str) -> Process:
        clock = HandClock(random.Random(name).uniform(0.0, 1e6))  # monotonic clocks of two machines have no relation
        bus = MemoryBus(self.broker, Service.SCHEDULER, clock=clock)
        await bus.connect()
        self._stack.push_async_callback(bus.close)
        core = SchedulerCore(
            db=self.db,
            bus=bus,
            clock=clock,
            ids=SystemIds(),
            rng=random.Random(name),
            rules=Rules(),
            registry=CollectorRegistry(),
            holder=name,
            lease_rules=LeaseRules(lease_s=LEASE_S),
        )
        await core.start()
        core.liveness.tick(clock.monotonic(), is_connected=True)
        core.specs._take({})  # what their loops do when they turn: nothing is wanted yet, and nothing runs
        core.reports._take({})
        return Process(core=core, clock=clock, bus=bus)

    async def replicas(self) -> int:
        async with self.db.read() as session:
            changes = await read_changes(session, None, known_versions=())
        return 0 if changes is None else len(changes.replicas)

    async def want(self, spec: DeploymentSpec, *processes: Process) -> None:
        """The catalog says what it wants, and both schedulers hear it."""
        catalog = MemoryBus(self.broker, Service.CATALOG, clock=SystemClock())
        await catalog.connect()
        await catalog.bucket(SPECS).put(spec.deployment_id, spec)
        await catalog.close()
        for process in processes:
            process.core.specs._take(await process.bus.bucket(SPECS).list())  # what its loop does when it turns


@pytest_asyncio.fixture
async def cluster(scheduler_db: Database) -> AsyncIterator[Cluster]:
    async with AsyncExitStack() as stack:
        yield Cluster(scheduler_db, stack)


async def pair(cluster: Cluster) -> tuple[Process, Process]:
    """Return a leader and a standby that has seen it."""
    leader, standby = await cluster.start("one"), await cluster.start("two")
    await leader.core.planner.step()
    await standby.core.planner.step()
    return leader, standby


async def test_one_plans_and_the_other_writes_nothing(cluster: Cluster) -> None:
    leader, standby = await pair(cluster)
    await cluster.want(a_spec(replicas=2), leader, standby)
    await standby.core.planner.step()
    assert (leader.leads, standby.leads, await cluster.replicas()) == (True, False, 0)
    await leader.core.planner.step()
    assert await cluster.replicas() == 2


async def test_the_standby_follows_the_record_but_publishes_nothing(cluster: Cluster) -> None:
    leader, standby = await pair(cluster)
    await cluster.want(a_spec(replicas=2), leader, standby)
    await leader.core.planner.step()
    await standby.core.planner.step()
    assert len(standby.core.planner.mirror.replicas) == 2
    with pytest.raises(NotLeading, match="one"):
        await standby.core.rebuild_bus()


async def test_a_standby_takes_over_only_when_nothing_was_renewed_for_a_lease(cluster: Cluster) -> None:
    leader, standby = await pair(cluster)
    standby.clock.ahead_s += LEASE_S - 0.5
    await leader.core.leadership.look()
    await standby.core.leadership.look()
    standby.clock.ahead_s += LEASE_S - 0.5
    await standby.core.leadership.look()
    assert not standby.leads
    standby.clock.ahead_s += 1.0
    await standby.core.leadership.look()
    assert standby.leads


async def test_a_leader_that_wakes_late_writes_nothing(cluster: Cluster) -> None:
    leader, standby = await pair(cluster)
    standby.clock.ahead_s += LEASE_S
    await standby.core.leadership.look()
    assert leader.leads, "its own clock has not moved: it believes that it leads"
    await cluster.want(a_spec(replicas=2), leader)
    plan = await leader.core.planner.step()
    assert (plan.is_empty, leader.leads, await cluster.replicas()) == (True, False, 0)


async def test_a_commit_of_an_old_term_raises_inside_its_transaction(cluster: Cluster) -> None:
    leader, standby = await pair(cluster)
    standby.clock.ahead_s += LEASE_S
    await standby.core.leadership.look()
    with pytest.raises(TermSuperseded, match="two leads in term 2"):
        async with cluster.db.write() as session:
            await leader.core.leadership.check(session)


async def test_a_leader_that_could_not_renew_stops_before_anybody_may_take_over(cluster: Cluster) -> None:
    leader, standby = await pair(cluster)
    leader.clock.ahead_s += LEASE_S * 2 / 3
    standby.clock.ahead_s += LEASE_S * 2 / 3
    await standby.core.leadership.look()
    assert (leader.leads, standby.leads) == (False, False)


async def test_a_paused_leader_that_nobody_replaced_goes_on(cluster: Cluster) -> None:
    leader, _ = await pair(cluster)
    leader.clock.ahead_s += 10 * LEASE_S
    await leader.core.leadership.look()
    assert leader.leads
    assert leader.core.leadership.term == 1


async def test_a_clean_stop_hands_over_at_once(cluster: Cluster) -> None:
    leader, standby = await pair(cluster)
    await leader.core.stop()
    await standby.core.leadership.look()
    assert (leader.leads, standby.leads) == (False, True)
    async with cluster.db.read() as session:
        assert (await read_claim(session)).term == 2


async def test_a_leader_that_is_known_to_be_gone_is_replaced_at_once(cluster: Cluster) -> None:
    leader, _ = await pair(cluster)
    heir = Leadership(
        cluster.db,
        holder="three",
        clock=leader.clock,
        metrics=SchedulerMetrics(CollectorRegistry()),
        is_gone=lambda holder: holder == "one",
    )
    await heir.look()
    assert heir.is_leading


async def test_both_answer_registrations_and_the_leader_tells_the_node(cluster: Cluster) -> None:
    leader, standby = await pair(cluster)
    request = RegisterNode(node_id="nod_1", incarnation="a", inventory=an_inventory())
    await standby.core.registrar.register(request, ("nod_1",))
    await leader.core.planner.step()
    await leader.core.assignments.sync()
    told = await leader.bus.bucket(ASSIGNMENTS).get("nod_1")
    assert told is not None
    assert told.value.epoch == 1


async def test_a_takeover_counts_silence_from_then_on(cluster: Cluster) -> None:
    leader, standby = await pair(cluster)
    request = RegisterNode(node_id="nod_1", incarnation="a", inventory=an_inventory())
    await leader.core.registrar.register(request, ("nod_1",))
    await leader.core.planner.step()
    await standby.core.planner.step()
    standby.clock.ahead_s += 1000.0  # it heard nobody all this time
    standby.core.liveness.tick(standby.clock.monotonic(), is_connected=True)
    standby.clock.ahead_s += 1.0
    standby.core.liveness.tick(standby.clock.monotonic(), is_connected=True)
    await standby.core.planner.step()
    assert standby.leads
    assert [node.state for node in standby.core.planner.mirror.nodes.values()] == [NodeState.READY]

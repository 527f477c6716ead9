"""The agent's loops on a memory bus and a pretended machine: what goes wrong around it."""

import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_common.contracts.registry import REPORTS
from roundhouse_common.contracts.scheduler import Desired, Reason
from roundhouse_common.runtime import NodeId, SystemClock, SystemIds
from roundhouse_node_agent.core import AgentOptions, NodeAgent
from roundhouse_node_agent.domain.engine_run import PORT_IN_USE
from roundhouse_node_agent.loops import report
from tests.support.eventually import eventually, never
from tests.support.fake_host import FakeHost
from tests.support.scheduler_stub import SchedulerStub, an_assignment
from tests.support.tasks import running

NODE = "nod_fake"
OPTIONS = AgentOptions(
    rpc_timeout_s=0.5,
    report_interval_s=0.5,
    confirm_interval_s=0.3,
    ready_poll_s=0.01,
    start_timeout_s=1.0,
    probe_interval_s=0.05,
    probe_failures=3,
    drain_settle_s=0.05,
    drain_poll_s=0.02,
)


class Place:
    """A pretended machine with a running agent, and the scheduler that it talks to."""

    def __init__(self, broker: MemoryBroker, scheduler: SchedulerStub) -> None:
        self.broker = broker
        self.scheduler = scheduler
        self.host = FakeHost(SystemClock(), load_s=0.02)
        self.agent = self.make_agent()

    def make_agent(self) -> NodeAgent:
        clock = SystemClock()
        self.bus = MemoryBus(self.broker, Service.NODE_AGENT, clock=clock, node_id=NODE)
        return NodeAgent(
            node_id=NodeId(NODE),
            bus=self.bus,
            host=self.host,
            clock=clock,
            ids=SystemIds(),
            rng=random.Random(1),
            options=OPTIONS,
        )

    @contextlib.asynccontextmanager
    async def awake(self) -> AsyncIterator[None]:
        await self.bus.connect()
        async with running(self.agent.run()):
            yield
        await self.bus.close()

    async def reported(self, phase: ObservedPhase, *, attempt: int = 1, replica_id: str = "rep_1") -> str:
        """Wait for a phase in the reports; return its reason."""

        async def look() -> str:
            found = await self.scheduler.replica(NODE, replica_id)
            assert found is not None
            assert (found.phase, found.attempt) == (phase, attempt), found
            return found.reason

        return await eventually(look)

    async def serving(self, **changes: Any) -> None:
        await self.scheduler.assign(NODE, an_assignment(**changes))
        await self.reported(ObservedPhase.READY)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    clock = SystemClock()
    broker = MemoryBroker(clock)
    scheduler = SchedulerStub(MemoryBus(broker, Service.SCHEDULER, clock=clock))
    await scheduler.start()
    machine = Place(broker, scheduler)
    async with machine.awake():
        await eventually(lambda: scheduler.epochs)
        yield machine
    await scheduler.bus.close()


async def test_a_silent_idle_engine_is_unresponsive_and_the_next_attempt_replaces_it(place: Place) -> None:
    await place.serving()
    place.host.hang("rep_1")
    assert await place.reported(ObservedPhase.FAILED) == Reason.ENGINE_UNRESPONSIVE
    assert place.host.running().keys() == {"rep_1"}

    place.host.hang("rep_1", is_hung=False)
    await place.reported(ObservedPhase.READY)

    place.host.hang("rep_1")
    await place.reported(ObservedPhase.FAILED)
    await place.scheduler.assign(NODE, an_assignment(attempt=2))
    await eventually(lambda: place.host.stopped == [("rep_1", Reason.PLACED)])
    place.host.kill("rep_1")
    await place.reported(ObservedPhase.READY, attempt=2)
    assert place.host.launched == [("rep_1", 1), ("rep_1", 2)]


async def test_a_taken_port_is_tried_again_without_a_failure(place: Place) -> None:
    place.host.load_s = 5.0
    await place.scheduler.assign(NODE, an_assignment())
    await place.reported(ObservedPhase.STARTING)
    place.host.load_s = 0.02
    place.host.exit("rep_1", code=5, kind=PORT_IN_USE)
    await place.reported(ObservedPhase.READY)
    assert place.host.launched == [("rep_1", 1), ("rep_1", 1)]


async def test_an_engine_that_is_never_ready_is_ended_and_says_what_it_said_last(place: Place) -> None:
    place.host.load_s = 60.0
    await place.scheduler.assign(NODE, an_assignment())
    assert await place.reported(ObservedPhase.FAILED) == Reason.START_TIMEOUT
    found = await place.scheduler.replica(NODE, "rep_1")
    assert found is not None
    assert "loading model" in found.detail
    await eventually(lambda: place.host.running() == {})


async def test_a_busy_engine_is_drained_only_when_its_requests_are_done(place: Place) -> None:
    await place.serving()
    place.host.set_load("rep_1", running=1)
    await place.scheduler.assign(NODE, an_assignment(desired=Desired.DRAIN, reason=Reason.SCALED_DOWN))
    assert await place.reported(ObservedPhase.DRAINING) == Reason.SCALED_DOWN
    await never(lambda: place.host.stopped, for_s=0.3)
    place.host.set_load("rep_1", running=0)
    assert await place.reported(ObservedPhase.STOPPED) == Reason.DRAINED


async def test_a_drain_ends_with_its_time(place: Place) -> None:
    await place.serving(drain_timeout_s=0.2)
    place.host.set_load("rep_1", running=1)
    await place.scheduler.assign(
        NODE, an_assignment(desired=Desired.DRAIN, reason=Reason.SCALED_DOWN, drain_timeout_s=0.2)
    )
    assert await place.reported(ObservedPhase.STOPPED) == Reason.DRAIN_TIMEOUT


async def test_a_drain_takes_the_time_that_is_wanted_now(place: Place) -> None:
    await place.serving(drain_timeout_s=60.0)
    place.host.set_load("rep_1", running=1)
    await place.scheduler.assign(
        NODE, an_assignment(desired=Desired.DRAIN, reason=Reason.SCALED_DOWN, drain_timeout_s=0.2)
    )
    assert await place.reported(ObservedPhase.STOPPED) == Reason.DRAIN_TIMEOUT


async def test_a_replica_that_is_wanted_again_while_it_drains_goes_on(place: Place) -> None:
    await place.serving()
    place.host.set_load("rep_1", running=1)
    await place.scheduler.assign(NODE, an_assignment(desired=Desired.DRAIN, reason=Reason.SCALED_DOWN))
    await place.reported(ObservedPhase.DRAINING)
    await place.scheduler.assign(NODE, an_assignment())
    await place.reported(ObservedPhase.READY)
    place.host.set_load("rep_1", running=0)
    await never(lambda: place.host.stopped, for_s=0.3)


async def test_a_projection_that_lost_everything_stops_nothing_while_the_database_wants_it(place: Place) -> None:
    await place.serving()
    wanted = place.scheduler.wanted[NODE]
    await place.scheduler.assign(NODE)
    place.scheduler.wanted[NODE] = wanted
    await never(lambda: place.host.stopped, for_s=0.5)


async def test_the_database_is_asked_although_the_projection_never_comes(place: Place) -> None:
    place.scheduler.want(NODE, an_assignment())
    await place.reported(ObservedPhase.READY)


async def test_without_the_scheduler_engines_go_on_unless_their_assignment_has_a_fence(place: Place) -> None:
    fenced = an_assignment("rep_fenced", fence_after_s=0.5)
    await place.scheduler.assign(NODE, fenced, an_assignment())
    await place.reported(ObservedPhase.READY)
    await place.reported(ObservedPhase.READY, replica_id="rep_fenced")
    place.scheduler.is_silent = True
    await eventually(lambda: place.host.running().keys() == {"rep_1"})
    assert place.host.stopped == [("rep_fenced", Reason.NODE_LOST)]


async def test_a_node_that_the_scheduler_does_not_know_registers_again_above_its_highest_epoch(place: Place) -> None:
    await place.serving()
    place.scheduler.forget(NODE)
    await eventually(lambda: len(place.scheduler.registrations) == 2)
    assert place.scheduler.registrations[1].highest_epoch == 1
    await eventually(lambda: place.host.epoch == 2)
    await never(lambda: place.host.stopped, for_s=0.3)


async def test_an_epoch_that_does_not_grow_is_refused(place: Place) -> None:
    place.scheduler.offers_old_epochs = True
    place.scheduler.forget(NODE)
    await eventually(lambda: len(place.scheduler.registrations) >= 3)
    assert place.host.epoch == 1


async def test_a_superseded_agent_does_nothing_any_more(place: Place) -> None:
    await place.serving()
    place.scheduler.epochs[NODE] += 1
    await place.scheduler.assign(NODE)
    await eventually(lambda: place.agent.context.is_superseded)
    await never(lambda: place.host.stopped, for_s=0.3)


async def test_reports_come_again_without_a_change_and_their_sequence_grows(place: Place) -> None:
    first = await place.scheduler.report(NODE)
    assert first is not None

    async def is_later() -> bool:
        report = await place.scheduler.report(NODE)
        return report is not None and report.sequence > first.sequence + 1

    await eventually(is_later)


async def test_the_sequence_goes_on_when_the_report_loop_begins_anew(place: Place) -> None:
    await place.serving()
    reports = place.scheduler.bus.bucket(REPORTS)
    before = await reports.get(NODE)
    assert before is not None
    sequences = [before.value.sequence]
    async with running(report.run(place.agent.context)), reports.watch(only_key=NODE) as changes:
        while len(sequences) < 6:
            change = await anext(changes)
            if change is not None and change.revision > before.revision:
                sequences.append(change.value.sequence)
    assert sequences == sorted(set(sequences))


async def test_a_refused_launch_is_a_failed_start(place: Place) -> None:
    place.host.unlaunchable.add("rep_1")
    await place.scheduler.assign(NODE, an_assignment())
    assert await place.reported(ObservedPhase.FAILED) == Reason.START_FAILED


async def test_an_engine_is_installed_before_files_are_fetched(place: Place) -> None:
    place.host.installs_s = {"llama.cpp": 0.2}
    await place.scheduler.assign(NODE, an_assignment(installs_engine=True))
    assert await place.reported(ObservedPhase.FETCHING) == Reason.INSTALLING_ENGINE.value
    await place.reported(ObservedPhase.READY)


async def test_an_engine_that_cannot_be_installed_fails_the_attempt_with_the_lines_that_say_why(place: Place) -> None:
    place.host.installs_s = {"llama.cpp": float("inf")}
    await place.scheduler.assign(NODE, an_assignment(installs_engine=True))
    assert await place.reported(ObservedPhase.FAILED) == Reason.ENGINE_UNAVAILABLE.value
    told = await place.scheduler.replica(NODE, "rep_1")
    assert told is not None
    assert told.log_tail == ("error: no such version",)
    assert place.host.launched == []


async def test_a_replica_that_is_stopped_while_its_engine_is_installed_does_not_wait_for_it(place: Place) -> None:
    place.host.installs_s = {"llama.cpp": 600.0}
    await place.scheduler.assign(NODE, an_assignment(installs_engine=True))
    await place.reported(ObservedPhase.FETCHING)
    await place.scheduler.assign(NODE, an_assignment(installs_engine=True, desired=Desired.STOP))
    await place.reported(ObservedPhase.STOPPED)
    assert place.host.launched == []

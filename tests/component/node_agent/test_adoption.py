"""Agents come and go, engines stay: adoption, fencing of epochs, ends that nobody watched."""

import os
import signal

import pytest

from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_common.contracts.scheduler import Desired, Reason
from roundhouse_common.runtime import SystemClock
from roundhouse_node_agent.processes.records import RunFile, read_file, write_file
from roundhouse_node_agent.stop_engines import stop_engines
from tests.component.node_agent.conftest import NODE, Node
from tests.component.node_agent.test_engine_life import chat, in_phase
from tests.support.eventually import eventually, never
from tests.support.scheduler_stub import SchedulerStub, an_assignment

pytestmark = pytest.mark.timeout(60)


async def test_the_next_agent_adopts_the_running_engine_and_never_reports_it_as_less_than_ready(
    node: Node, scheduler: SchedulerStub
) -> None:
    await node.start()
    await scheduler.assign(NODE, an_assignment())
    ready = await in_phase(scheduler, ObservedPhase.READY)
    await node.die()
    assert (await chat(ready, "key-of-rep_1"))[0] == 200

    agent = await node.start()

    assert await eventually(lambda: agent.context.registered)
    adopted = await in_phase(scheduler, ObservedPhase.READY)
    assert (adopted.pid, adopted.base_url, adopted.since) == (ready.pid, ready.base_url, ready.since)
    assert adopted.features == ready.features == ("chat", "completions", "messages", "responses", "tokenize")
    assert [question.highest_epoch for question in scheduler.registrations] == [0, 1]
    await scheduler.assign(NODE, an_assignment(desired=Desired.DRAIN, reason=Reason.SCALED_DOWN))
    await in_phase(scheduler, ObservedPhase.STOPPED)


async def test_an_engine_that_ended_while_no_agent_watched_is_reported_with_its_exit(
    node: Node, scheduler: SchedulerStub
) -> None:
    await node.start()
    await scheduler.assign(NODE, an_assignment())
    ready = await in_phase(scheduler, ObservedPhase.READY)
    await node.die()
    os.kill(ready.pid, signal.SIGKILL)
    await eventually(lambda: node.processes() == [])

    await node.start()

    failed = await in_phase(scheduler, ObservedPhase.FAILED)
    assert (failed.reason, failed.exit_code) == (Reason.ENGINE_EXITED.value, -9)


async def test_a_stop_that_an_agent_asked_for_is_finished_although_it_died(
    node: Node, scheduler: SchedulerStub
) -> None:
    await node.start()
    await scheduler.assign(NODE, an_assignment())
    await in_phase(scheduler, ObservedPhase.READY)
    await scheduler.assign(NODE, an_assignment(desired=Desired.STOP, reason=Reason.DEPLOYMENT_STOPPED))
    await in_phase(scheduler, ObservedPhase.DRAINING)
    await node.die()

    await eventually(lambda: node.processes() == [])

    await node.start()
    stopped = await in_phase(scheduler, ObservedPhase.STOPPED)
    assert stopped.reason == Reason.DEPLOYMENT_STOPPED.value


async def test_a_process_with_the_same_pid_but_another_start_is_not_adopted_and_not_touched(
    node: Node, scheduler: SchedulerStub
) -> None:
    await node.start()
    await scheduler.assign(NODE, an_assignment())
    ready = await in_phase(scheduler, ObservedPhase.READY)
    await node.die()
    os.kill(ready.pid, signal.SIGKILL)
    await eventually(lambda: node.processes() == [])
    run_file = node.path / "replicas/rep_1/runs/000001-01/run.json"
    found = read_file(run_file, RunFile)
    assert found is not None
    (run_file.parent / "exit.json").unlink()
    write_file(
        run_file,
        RunFile(
            pid=os.getpid(),
            shim_pid=os.getpid(),
            start_ticks=found.start_ticks,
            shim_start_ticks=found.shim_start_ticks,
            boot_id=found.boot_id,
            started_at=found.started_at,
            cookie=found.cookie,
        ),
    )

    await node.start()

    failed = await in_phase(scheduler, ObservedPhase.FAILED)
    assert "without a record" in failed.detail


async def test_a_superseded_agent_leaves_without_touching_engines(node: Node, scheduler: SchedulerStub) -> None:
    agent = await node.start()
    await scheduler.assign(NODE, an_assignment())
    ready = await in_phase(scheduler, ObservedPhase.READY)

    scheduler.epochs[NODE] += 1
    await scheduler.assign(NODE)

    await eventually(lambda: agent.context.is_superseded)
    await never(lambda: ready.pid not in node.processes(), for_s=1.0)


async def test_stop_engines_ends_what_a_dead_agent_left_and_the_next_agent_says_why(
    node: Node, scheduler: SchedulerStub
) -> None:
    await node.start()
    await scheduler.assign(NODE, an_assignment(), an_assignment("rep_2"))
    await in_phase(scheduler, ObservedPhase.READY)
    await in_phase(scheduler, ObservedPhase.READY, replica_id="rep_2")
    await node.die()
    said: list[str] = []

    count = stop_engines(node.path, within_s=5.0, clock=SystemClock(), say=said.append)

    assert count == 2
    assert node.processes() == []
    assert said == ["stopping smol (rep_1)", "stopping smol (rep_2)"]
    await node.start()
    stopped = await in_phase(scheduler, ObservedPhase.STOPPED)
    assert stopped.reason == Reason.NODE_SHUTDOWN.value

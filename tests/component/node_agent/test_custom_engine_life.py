"""An engine that is known by its template alone: starts, is measured, drains, and fails with a diagnosis."""

import asyncio
import sys
from pathlib import Path

import pytest

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_common.contracts.scheduler import Assignment, Desired, Reason
from roundhouse_node_agent.engines import known
from tests.component.node_agent.conftest import NODE, Node
from tests.component.node_agent.test_engine_life import chat, in_phase
from tests.support.eventually import eventually, never
from tests.support.scheduler_stub import SchedulerStub, an_assignment

pytestmark = pytest.mark.timeout(60)

RUNNER = Path(known.__file__).with_name("xllamacpp_runner.py")
PARAMETERS = {
    "command": f"{sys.executable} -I -u {RUNNER} --model {{model_path}} --alias {{served_name}} --host {{host}}"
    " --port {port} --context 512 --parallel 1",
    "environment": "ROUNDHOUSE_ENGINE_API_KEY={api_key}",
    "readiness_path": "/health",
    "metrics_path": "/metrics",
    "metric_running": "llamacpp:requests_processing",
    "metric_waiting": "llamacpp:requests_deferred",
}


def custom(**changes: str) -> Assignment:
    return an_assignment(engine=EngineKind.CUSTOM, parameters={**PARAMETERS, **changes})


@pytest.mark.contract("A04")
async def test_a_stated_command_is_a_whole_engine(node: Node, scheduler: SchedulerStub) -> None:
    await node.start()
    await scheduler.assign(NODE, custom())
    ready = await in_phase(scheduler, ObservedPhase.READY)
    assert (await chat(ready, "key-of-rep_1"))[0] == 200
    assert (await chat(ready, "wrong"))[0] == 401
    await eventually(lambda: any(beat.loads for beat in scheduler.beats))

    await scheduler.assign(NODE, an_assignment(engine=EngineKind.CUSTOM, parameters=PARAMETERS, desired=Desired.DRAIN))

    stopped = await in_phase(scheduler, ObservedPhase.STOPPED)
    assert stopped.reason == Reason.DRAINED.value
    assert node.processes() == []


async def test_without_metrics_a_drain_lasts_as_long_as_somebody_is_connected(
    node: Node, scheduler: SchedulerStub
) -> None:
    mute = {name: value for name, value in PARAMETERS.items() if not name.startswith("metric")}
    await node.start()
    await scheduler.assign(NODE, an_assignment(engine=EngineKind.CUSTOM, parameters=mute))
    ready = await in_phase(scheduler, ObservedPhase.READY)
    _, writer = await asyncio.open_connection("127.0.0.1", int(ready.base_url.rpartition(":")[2]))

    draining = an_assignment(engine=EngineKind.CUSTOM, parameters=mute, desired=Desired.DRAIN)
    await scheduler.assign(NODE, draining)

    await in_phase(scheduler, ObservedPhase.DRAINING)
    await never(lambda: node.processes() == [], for_s=0.6)
    writer.close()
    stopped = await in_phase(scheduler, ObservedPhase.STOPPED)
    assert stopped.reason == Reason.DRAINED.value


async def test_its_failure_is_diagnosed_by_the_common_rules(node: Node, scheduler: SchedulerStub) -> None:
    await node.start()
    await scheduler.assign(NODE, custom(command=PARAMETERS["command"] + " --no-such-flag"))
    failed = await in_phase(scheduler, ObservedPhase.FAILED)
    assert failed.detail.startswith("bad_parameters: ")
    assert "--no-such-flag" in failed.detail


async def test_a_wrong_placeholder_is_refused_by_the_node(node: Node, scheduler: SchedulerStub) -> None:
    await node.start()
    await scheduler.assign(NODE, custom(command="serve {model} {port}"))
    rejected = await in_phase(scheduler, ObservedPhase.REJECTED)
    assert "{model} is no placeholder" in rejected.detail

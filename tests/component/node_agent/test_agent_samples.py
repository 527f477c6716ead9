"""An agent with a real engine tells what it uses."""

from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.node import EngineCounters, NodeSample, ObservedPhase
from roundhouse_common.contracts.registry import NODE_SAMPLE
from roundhouse_common.contracts.scheduler import Desired, Reason
from roundhouse_common.runtime import SystemClock
from roundhouse_node_agent.domain.engine_run import EngineRun
from roundhouse_node_agent.metrics import AgentCollector
from tests.component.node_agent.conftest import NODE, OPTIONS, Node
from tests.support.eventually import eventually
from tests.support.scheduler_stub import SchedulerStub, an_assignment

MIB = 1024**2


@pytest.mark.contract("A12", "B08")
@pytest.mark.timeout(60)
async def test_a_running_engine_is_in_its_nodes_samples(
    node: Node, broker: MemoryBroker, scheduler: SchedulerStub
) -> None:
    samples: list[NodeSample] = []
    metering = MemoryBus(broker, Service.METERING, clock=SystemClock())

    async def take(sample: NodeSample, ids: tuple[str, ...]) -> None:
        assert ids == (NODE,)
        samples.append(sample)

    await metering.connect()
    await metering.subscribe(NODE_SAMPLE, take)
    agent = await node.start(replace(OPTIONS, sample_interval_s=0.5))
    await eventually(lambda: samples)
    await scheduler.assign(NODE, an_assignment())

    found = await eventually(
        lambda: [replica for sample in samples for replica in sample.replicas if replica.memory_bytes > 50 * MIB],
        within_s=30,
    )
    assert {(replica.replica_id, replica.deployment_id) for replica in found} == {("rep_1", "dep_1")}
    assert await eventually(lambda: any(s.replicas and s.replicas[0].cpu_user > 0 for s in samples))
    last = samples[-1]
    assert last.epoch == scheduler.epochs[NODE]
    assert last.replicas[0].memory_bytes < last.memory_used_bytes < last.memory_total_bytes
    exposed = {metric.name: metric.samples for metric in AgentCollector(agent.context).collect()}
    assert [sample.labels for sample in exposed["roundhouse_engine_memory_bytes"]] == [{"replica_id": "rep_1"}]
    assert {sample.labels["mode"] for sample in exposed["roundhouse_node_cpu_cores_busy"]} == {"user", "system"}
    await metering.close()


@pytest.mark.contract("F02")
@pytest.mark.timeout(90)
async def test_what_an_engine_counted_is_told_to_its_end_and_by_the_next_agent(
    node: Node, broker: MemoryBroker, scheduler: SchedulerStub
) -> None:
    samples: list[NodeSample] = []
    metering = MemoryBus(broker, Service.METERING, clock=SystemClock())

    async def take(sample: NodeSample, ids: tuple[str, ...]) -> None:
        samples.append(sample)

    def told() -> EngineCounters:
        assert samples, "no sample came yet"
        assert len(samples[-1].engines) == 1
        return samples[-1].engines[0]

    def ready() -> EngineRun | None:
        replica = agent.context.replicas.get("rep_1")
        return replica.run if replica is not None and replica.phase is ObservedPhase.READY else None

    await metering.connect()
    await metering.subscribe(NODE_SAMPLE, take)
    agent = await node.start(replace(OPTIONS, sample_interval_s=0.3))
    await scheduler.assign(NODE, an_assignment())
    run = await eventually(ready, within_s=30)
    assert run is not None
    usage = [await chat(run) for _ in range(3)]
    read, written = (sum(one[name] for one in usage) for name in ("prompt_tokens", "completion_tokens"))
    assert read > 0
    assert written > 0
    await eventually(lambda: (told().input_tokens, told().output_tokens) == (read, written), within_s=10)
    assert told().cached_input_tokens == sum(one["prompt_tokens_details"]["cached_tokens"] for one in usage)

    last = await chat(run)
    await scheduler.assign(NODE, an_assignment(desired=Desired.STOP, reason=Reason.SCALED_DOWN))
    await eventually(lambda: told().ended_at > 0, within_s=20)
    assert (told().attempt, told().output_tokens) == (1, written + last["completion_tokens"])

    await node.die()
    samples.clear()
    await node.start(replace(OPTIONS, sample_interval_s=0.3))
    await eventually(lambda: samples and told().output_tokens == written + last["completion_tokens"], within_s=10)
    await metering.close()


async def chat(run: EngineRun) -> dict[str, Any]:
    """Ask the engine itself, and return its usage."""
    body = {"messages": [{"role": "user", "content": "Count."}], "max_tokens": 4}
    headers = {"Authorization": f"Bearer {run.assignment.engine_api_key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{run.base_url}/v1/chat/completions", json=body) as answer,
    ):
        usage: dict[str, Any] = (await answer.json())["usage"]
        return usage

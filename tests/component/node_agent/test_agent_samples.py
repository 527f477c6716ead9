"""An agent with a real engine tells what it uses."""

from dataclasses import replace

import pytest

from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.node import NodeSample
from roundhouse_common.contracts.registry import NODE_SAMPLE
from roundhouse_common.runtime import SystemClock
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

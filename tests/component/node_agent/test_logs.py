"""Engine logs through the bus: live lines, ranges, also of engines that are gone."""

import pytest

from roundhouse_common.contracts.node import LogQuery, ObservedPhase
from roundhouse_common.contracts.registry import READ_LOG
from roundhouse_common.contracts.scheduler import Desired, Reason
from roundhouse_node_agent.loops import log_lines
from tests.component.node_agent.conftest import NODE, Node
from tests.component.node_agent.test_engine_life import in_phase
from tests.support.eventually import eventually
from tests.support.scheduler_stub import SchedulerStub, an_assignment
from tests.support.tasks import running

pytestmark = pytest.mark.timeout(60)


@pytest.mark.contract("B02", "B08")
async def test_lines_come_live_and_the_whole_log_stays_readable_after_the_end(
    node: Node, scheduler: SchedulerStub
) -> None:
    agent = await node.start()
    assert node.host is not None
    async with running(log_lines.run(agent.context.bus, NODE, node.host.log_feeds)):
        await scheduler.assign(NODE, an_assignment())
        await in_phase(scheduler, ObservedPhase.READY)
        await eventually(lambda: any("ready after" in line.line for line in scheduler.lines))
        await scheduler.assign(NODE, an_assignment(desired=Desired.STOP, reason=Reason.DEPLOYMENT_STOPPED))
        await in_phase(scheduler, ObservedPhase.STOPPED)
        await eventually(lambda: any("ended with code 0" in line.line for line in scheduler.lines))

    await scheduler.assign(NODE)
    await eventually(lambda: agent.context.replicas == {})
    chunk = await scheduler.bus.request(READ_LOG, LogQuery(replica_id="rep_1", offset=0), NODE)

    live = [line for line in scheduler.lines if line.replica_id == "rep_1"]
    assert chunk.text.splitlines() == [line.line for line in live]
    assert [line.offset for line in live] == sorted({line.offset for line in live})
    tail = await scheduler.bus.request(READ_LOG, LogQuery(replica_id="rep_1", tail=2), NODE)
    assert tail.text.splitlines() == chunk.text.splitlines()[-2:]
    assert tail.next_offset == chunk.next_offset


async def test_the_engines_key_is_neither_in_its_log_nor_in_its_arguments(node: Node, scheduler: SchedulerStub) -> None:
    await node.start()
    await scheduler.assign(NODE, an_assignment(engine_api_key="very-secret-key"))
    ready = await in_phase(scheduler, ObservedPhase.READY)

    chunk = await scheduler.bus.request(READ_LOG, LogQuery(replica_id="rep_1", offset=0), NODE)

    assert "very-secret-key" not in chunk.text
    with open(f"/proc/{ready.pid}/cmdline", "rb") as cmdline:
        assert b"very-secret-key" not in cmdline.read()


async def test_a_log_nobody_has_is_said_so(node: Node, scheduler: SchedulerStub) -> None:
    await node.start()
    await eventually(lambda: scheduler.epochs)

    chunk = await scheduler.bus.request(READ_LOG, LogQuery(replica_id="../../etc"), NODE)
    other = await scheduler.bus.request(READ_LOG, LogQuery(replica_id="rep_unknown"), NODE)

    assert (chunk.text, other.text) == ("", "")
    assert "no replica id" in chunk.error
    assert "no log" in other.error

"""Who speaks for a node, while registrations and the planner's reads of SQL overtake each other."""

from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry

from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.node import Heartbeat, NodeReport, digest_of
from roundhouse_common.contracts.registry import REPORTS
from roundhouse_common.runtime import SystemClock
from roundhouse_scheduler.loops.hearing import Hearing
from roundhouse_scheduler.loops.liveness import Liveness
from roundhouse_scheduler.loops.waking import Waker
from roundhouse_scheduler.metrics import SchedulerMetrics
from tests.support.scheduler import a_node, an_inventory

_CLOCK = SystemClock()


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(_CLOCK)


@pytest.fixture
async def bus(broker: MemoryBroker) -> AsyncIterator[MemoryBus]:
    made = MemoryBus(broker, Service.SCHEDULER, clock=_CLOCK)
    await made.connect()
    yield made
    await made.close()


@pytest.fixture
def hearing(bus: MemoryBus) -> Hearing:
    return Hearing(
        bus,
        clock=_CLOCK,
        liveness=Liveness(),
        planner=Waker(),
        metrics=SchedulerMetrics(CollectorRegistry()),
        lease_s=15.0,
    )


def a_report(epoch: int) -> NodeReport:
    return NodeReport(
        node_id="nod_1",
        epoch=epoch,
        incarnation=f"agent-{epoch}",
        sequence=1,
        assignments_revision=0,
        inventory=an_inventory(),
        replicas=(),
    )


def test_a_registration_is_not_undone_by_an_older_read_of_the_record(hearing: Hearing) -> None:
    hearing.registered(a_node(epoch=8, incarnation="agent-8"))
    hearing.expect(a_node(epoch=7, incarnation="agent-7"))

    hearing.take_reports({"nod_1": a_report(8)})

    assert hearing.reports["nod_1"].epoch == 8


def test_a_report_that_is_read_before_the_record_is_not_awaited_once_the_record_knows_its_agent(
    hearing: Hearing,
) -> None:
    """At each start of a scheduler the two are read at once; nothing must wait for a lease because of that."""
    hearing.take_reports({"nod_1": a_report(7)})
    assert [report.epoch for report in hearing.ahead(15.0)] == [7]
    hearing.expect(a_node(epoch=7, incarnation="agent-7"))
    assert hearing.ahead(15.0) == []
    assert hearing.reports["nod_1"].epoch == 7


def test_a_report_of_an_agent_that_the_record_has_lost_is_awaited_until_it_reports_anew(hearing: Hearing) -> None:
    hearing.take_reports({"nod_1": a_report(7)})
    hearing.registered(a_node(epoch=8, incarnation="agent-8"))
    assert [report.epoch for report in hearing.ahead(15.0)] == [7]
    hearing.take_reports({"nod_1": a_report(8)})
    assert hearing.ahead(15.0) == []


async def test_the_first_heartbeat_of_a_new_agent_makes_its_report_be_read(
    hearing: Hearing, broker: MemoryBroker
) -> None:
    hearing.registered(a_node(epoch=7, incarnation="agent-7"))
    hearing.take_reports({"nod_1": a_report(7)})
    agent = MemoryBus(broker, Service.NODE_AGENT, clock=_CLOCK, node_id="nod_1")
    await agent.connect()
    await agent.bucket(REPORTS).put("nod_1", a_report(8))
    await agent.close()

    hearing.registered(a_node(epoch=8, incarnation="agent-8"))
    beat = Heartbeat(node_id="nod_1", epoch=8, incarnation="agent-8", sequence=1, digest=digest_of(()))
    await hearing.take_heartbeat(beat, ("nod_1",))

    assert hearing.reports["nod_1"].epoch == 8

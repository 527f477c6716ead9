"""Which model files replicas hold: those of engines that run, and of those that are going to run again."""

import random
from typing import cast

import pytest

from roundhouse_common.bus.api import Bus
from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_common.contracts.scheduler import Desired, NodeAssignments
from roundhouse_common.model_sources import source_key
from roundhouse_common.runtime import NodeId, SystemClock, SystemIds
from roundhouse_node_agent.context import AgentContext, AgentOptions
from roundhouse_node_agent.loops.provisioning import used_by
from tests.support.fake_host import FakeHost
from tests.support.node_values import a_replica
from tests.support.scheduler_stub import an_assignment

KEY = source_key(an_assignment().version.source)


@pytest.fixture
def agent() -> AgentContext:
    clock = SystemClock()
    return AgentContext(
        node_id=NodeId("nod_1"),
        bus=cast(Bus, None),
        host=FakeHost(clock),
        clock=clock,
        ids=SystemIds(),
        rng=random.Random(1),
        options=AgentOptions(),
    )


def wanting(*desired: Desired) -> NodeAssignments:
    assignments = tuple(an_assignment(f"rep_{number}", desired=one) for number, one in enumerate(desired, 1))
    return NodeAssignments(node_id="nod_1", epoch=1, revision=1, assignments=assignments)


def test_an_engine_that_runs_holds_its_files_whatever_is_wanted(agent: AgentContext) -> None:
    agent.replicas["rep_1"] = a_replica(ObservedPhase.READY)
    agent.wanted = wanting()
    assert used_by(agent) == {KEY}


def test_files_of_an_engine_that_ended_are_held_until_the_scheduler_was_heard(agent: AgentContext) -> None:
    """After a start of the machine every engine has ended; a removal that waited for them must not come in between."""
    agent.replicas["rep_1"] = a_replica(ObservedPhase.FAILED, is_over=True)
    assert used_by(agent) == {KEY}
    agent.wanted = wanting(Desired.STOP)
    assert used_by(agent) == frozenset()


def test_a_replica_between_two_attempts_holds_its_files(agent: AgentContext) -> None:
    agent.replicas["rep_1"] = a_replica(ObservedPhase.FAILED, is_over=True)
    agent.wanted = wanting(Desired.RUN)
    assert used_by(agent) == {KEY}

"""An answer that says "superseded" counts only while the agent still is who asked."""

import random
from collections.abc import Callable
from typing import Any, cast

from roundhouse_common.bus.api import Bus, RemoteError
from roundhouse_common.contracts.scheduler import Registered
from roundhouse_common.runtime import NodeId, SystemClock, SystemIds
from roundhouse_node_agent.context import AgentContext, AgentOptions
from roundhouse_node_agent.domain.errors import EpochSuperseded
from roundhouse_node_agent.loops.assignments import ask
from tests.support.fake_host import FakeHost


class Refusing:
    """Every question is refused; meanwhile something happens to who asked."""

    def __init__(self) -> None:
        self.meanwhile: Callable[[], None] = lambda: None

    async def request(self, *_: object, **__: object) -> Any:
        self.meanwhile()
        raise RemoteError("epoch 1 is over", code=EpochSuperseded.code)


def in_epoch(epoch: int) -> Registered:
    return Registered(node_id="nod_1", epoch=epoch, heartbeat_interval_s=3.0, lease_s=15.0)


def an_agent(bus: Refusing) -> AgentContext:
    clock = SystemClock()
    agent = AgentContext(
        node_id=NodeId("nod_1"),
        bus=cast(Bus, bus),
        host=FakeHost(clock),
        clock=clock,
        ids=SystemIds(),
        rng=random.Random(1),
        options=AgentOptions(),
    )
    agent.registered = in_epoch(1)
    return agent


async def test_one_whose_epoch_is_over_is_superseded() -> None:
    agent = an_agent(Refusing())
    assert await ask(agent) is None
    assert agent.is_superseded


async def test_one_that_has_a_later_epoch_by_now_is_not() -> None:
    bus = Refusing()
    agent = an_agent(bus)

    def registers() -> None:
        agent.registered = in_epoch(2)

    bus.meanwhile = registers
    assert await ask(agent) is None
    assert not agent.is_superseded


async def test_one_that_waits_for_the_answer_to_its_registration_is_not() -> None:
    bus = Refusing()
    agent = an_agent(bus)
    bus.meanwhile = agent.registration_due.set
    assert await ask(agent) is None
    assert not agent.is_superseded

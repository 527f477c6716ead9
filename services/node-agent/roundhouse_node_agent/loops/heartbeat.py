"""Liveness: a small signal every few seconds, with the engines' loads; and everything again after a reconnect."""

import asyncio

from roundhouse_common.contracts.node import Heartbeat, digest_of
from roundhouse_common.contracts.registry import HEARTBEAT
from roundhouse_node_agent.context import AgentContext
from roundhouse_node_agent.domain.report import loads_of

__all__ = ["run"]

_UNREGISTERED_S = 0.1


async def run(agent: AgentContext) -> None:
    """Beat as often as the scheduler asked, from registration on."""
    sequence = 0
    was_connected = True
    while True:
        was_connected = _look_at_connection(agent, was_connected)
        registered = agent.registered
        if registered is None or agent.is_superseded:
            await asyncio.sleep(_UNREGISTERED_S)
            continue
        sequence += 1
        beat = Heartbeat(
            node_id=agent.node_id,
            epoch=registered.epoch,
            incarnation=agent.incarnation,
            sequence=sequence,
            digest=digest_of(agent.reports()),
            loads=loads_of(agent.replicas.values(), agent.samples),
        )
        await agent.bus.signal(HEARTBEAT, beat, agent.node_id)
        await asyncio.sleep(registered.heartbeat_interval_s)


def _look_at_connection(agent: AgentContext, was_connected: bool) -> bool:
    """A wiped bus has forgotten our report: after a reconnect it is written again, and assignments are read."""
    is_connected = agent.bus.is_connected
    if is_connected and not was_connected:
        agent.report_due.set()
        agent.confirm_due.set()
        agent.store_due.set()
    if not is_connected:
        agent.is_store_told = False
    return is_connected

"""Registering: a new epoch for every life of the agent."""

import asyncio

import structlog

from roundhouse_common.bus.api import BusUnavailable, RemoteError
from roundhouse_common.contracts.registry import REGISTER_NODE
from roundhouse_common.contracts.scheduler import Registered, RegisterNode
from roundhouse_node_agent.context import AgentContext

__all__ = ["run"]

_log = structlog.get_logger(__name__)
_FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 2.0
"""Short: when a whole platform starts, its first answer waits for this."""


async def run(agent: AgentContext) -> None:
    """Register whenever it is due, and try again until the scheduler answers."""
    while True:
        await agent.registration_due.wait()
        await _register(agent)
        agent.registration_due.clear()


async def _register(agent: AgentContext) -> None:
    delay_s = _FIRST_DELAY_S
    while True:
        agent.inventory = await agent.host.inventory()
        highest = await agent.host.highest_epoch()
        question = RegisterNode(
            node_id=agent.node_id, incarnation=agent.incarnation, inventory=agent.inventory, highest_epoch=highest
        )
        try:
            reply = await agent.bus.request(
                REGISTER_NODE, question, agent.node_id, timeout_s=agent.options.rpc_timeout_s
            )
        except (BusUnavailable, RemoteError) as error:
            _log.info("registration_waits", why=error.message, retry_in_s=round(delay_s, 2))
        else:
            if reply.epoch > highest:
                await _accept(agent, reply)
                return
            _log.error("epoch_refused", offered=reply.epoch, highest_seen=highest)
        await asyncio.sleep(delay_s * agent.rng.uniform(0.5, 1.0))
        delay_s = min(delay_s * 2, _LONGEST_DELAY_S)


async def _accept(agent: AgentContext, reply: Registered) -> None:
    await agent.host.keep_epoch(reply.epoch)
    agent.registered = reply
    agent.scheduler_heard_at = agent.clock.monotonic()
    _log.info("registered", node_id=agent.node_id, epoch=reply.epoch)
    agent.confirm_due.set()
    agent.report_due.set()

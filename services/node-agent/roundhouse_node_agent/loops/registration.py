"""Registering: a new epoch for every life of the agent, and asking whether a node that waits is approved."""

import asyncio

import structlog

from roundhouse_common.bus.api import BusUnavailable, RemoteError
from roundhouse_common.contracts.registry import REGISTER_NODE
from roundhouse_common.contracts.scheduler import NodeAdmission, Registered, RegisterNode
from roundhouse_node_agent.context import AgentContext
from roundhouse_node_agent.domain.errors import NodeRemoved
from roundhouse_node_agent.loops.waiting import wait_until_due

__all__ = ["run"]

_log = structlog.get_logger(__name__)
_FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 2.0
"""Short: when a whole platform starts, its first answer waits for this."""
_ASK_APPROVAL_S = 10.0


async def run(agent: AgentContext) -> None:
    """Register whenever it is due, and try again until the scheduler answers."""
    while True:
        if not agent.is_waiting_for_approval:
            await agent.registration_due.wait()
        elif not await wait_until_due(agent.registration_due, _ASK_APPROVAL_S):
            await _ask_whether_approved(agent)
            continue
        await _register(agent)
        agent.registration_due.clear()


async def _register(agent: AgentContext) -> None:
    delay_s = _FIRST_DELAY_S
    while not agent.is_superseded:
        agent.inventory = await agent.host.inventory()
        highest = await agent.host.highest_epoch()
        try:
            reply = await _ask(agent, highest_epoch=highest)
        except (BusUnavailable, RemoteError) as error:
            _note_removal(agent, error)
            _log.info("registration_waits", why=error.message, retry_in_s=round(delay_s, 2))
        else:
            if reply.epoch > highest:
                await _accept(agent, reply)
                return
            _log.error("epoch_refused", offered=reply.epoch, highest_seen=highest)
        await asyncio.sleep(delay_s * agent.rng.uniform(0.5, 1.0))
        delay_s = min(delay_s * 2, _LONGEST_DELAY_S)


async def _ask(agent: AgentContext, *, highest_epoch: int) -> Registered:
    inventory = agent.inventory or await agent.host.inventory()
    question = RegisterNode(
        node_id=agent.node_id,
        incarnation=agent.incarnation,
        inventory=inventory,
        highest_epoch=highest_epoch,
        replicas=agent.reports(),
    )
    return await agent.bus.request(REGISTER_NODE, question, agent.node_id, timeout_s=agent.options.rpc_timeout_s)


async def _ask_whether_approved(agent: AgentContext) -> None:
    """Ask again for the epoch that is ours already: the answer tells whether an administrator has decided."""
    registered = agent.registered
    if registered is None:
        return
    try:
        reply = await _ask(agent, highest_epoch=registered.epoch - 1)
    except (BusUnavailable, RemoteError) as error:
        _note_removal(agent, error)
        return
    if reply.epoch == registered.epoch and reply.admission is NodeAdmission.APPROVED:
        agent.registered = reply
        _log.info("node_approved", node_id=agent.node_id)
        agent.confirm_due.set()


def _note_removal(agent: AgentContext, error: BusUnavailable | RemoteError) -> None:
    if error.code == NodeRemoved.code:
        agent.remove(error.message)


async def _accept(agent: AgentContext, reply: Registered) -> None:
    await agent.host.keep_epoch(reply.epoch)
    agent.registered = reply
    agent.scheduler_heard_at = agent.clock.monotonic()
    _log.info("registered", node_id=agent.node_id, epoch=reply.epoch, admission=reply.admission.value)
    if agent.is_waiting_for_approval:
        _log.warning("waits_for_approval", node_id=agent.node_id, do=f"roundhouse nodes approve {agent.node_id}")
    agent.confirm_due.set()
    agent.report_due.set()

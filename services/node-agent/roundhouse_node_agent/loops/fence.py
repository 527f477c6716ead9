"""Stopping engines by itself when this node was cut off too long, for assignments that ask for it."""

import asyncio

import structlog

from roundhouse_common.contracts.scheduler import Reason
from roundhouse_node_agent.context import AgentContext
from roundhouse_node_agent.domain.fencing import fenced
from roundhouse_node_agent.domain.replica import StopBegun

__all__ = ["run"]

_log = structlog.get_logger(__name__)
_LOOK_EVERY_S = 1.0


async def run(agent: AgentContext) -> None:
    """Look every second. A replica without a fence is never touched."""
    noted = agent.scheduler_heard_at  # an agent that has just started has heard nobody yet
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        heard_at = agent.scheduler_heard_at
        silent_s = agent.clock.monotonic() - heard_at
        if heard_at > noted and any(item.assignment.fence_after_s > 0 for item in agent.replicas.values()):
            await agent.host.note_contact(silent_s)
            noted = heard_at
        for replica_id in fenced(agent.replicas.values(), silent_s):
            _log.warning("engine_fenced", replica_id=replica_id, silent_s=round(silent_s, 1))
            agent.apply(replica_id, StopBegun(reason=Reason.NODE_LOST))

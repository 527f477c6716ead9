"""Waiting until a draining engine holds no request, then telling it to end."""

import asyncio

import structlog

from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_common.contracts.scheduler import Reason
from roundhouse_node_agent.context import AgentContext
from roundhouse_node_agent.domain.drain import DrainVerdict, begin_drain, is_idle, step
from roundhouse_node_agent.domain.replica import StopBegun

__all__ = ["drain"]

_log = structlog.get_logger(__name__)


async def drain(agent: AgentContext, replica_id: str) -> None:
    """Return when the engine was told to end, ended by itself, or is wanted again."""
    options, clock = agent.options, agent.clock
    timeout_s = agent.assignment_of(replica_id).drain_timeout_s
    state = begin_drain(clock.monotonic(), settle_s=options.drain_settle_s, timeout_s=timeout_s)
    while True:
        replica = agent.replicas.get(replica_id)
        if replica is None or replica.run is None or not replica.is_active or replica.is_stopping:
            return
        if replica.phase is not ObservedPhase.DRAINING:
            return
        sample = await agent.host.sample(replica.run)
        connected = await agent.host.is_connected(replica.run) if sample is None else None
        idle = is_idle(sample, is_connected=connected)
        state, verdict = step(state, clock.monotonic(), is_idle=idle)
        if verdict is not DrainVerdict.WAIT:
            has_drained = verdict is DrainVerdict.IDLE
            _log.info("drain_ended", replica_id=replica_id, is_idle=has_drained)
            agent.apply(replica_id, StopBegun(reason=Reason.DRAINED if has_drained else Reason.DRAIN_TIMEOUT))
            return
        await asyncio.sleep(options.drain_poll_s)

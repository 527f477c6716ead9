"""Making what runs equal to what is wanted."""

import asyncio
from typing import assert_never

import structlog

from roundhouse_node_agent.context import AgentContext
from roundhouse_node_agent.domain.reconcile import Action, CancelDrain, Drain, Forget, Settle, Start, Stop, decide
from roundhouse_node_agent.domain.replica import DrainBegun, DrainCancelled, StopBegun
from roundhouse_node_agent.loops.assignments import ask
from roundhouse_node_agent.loops.waiting import wait_until_due

__all__ = ["run"]

_log = structlog.get_logger(__name__)
_LOOK_EVERY_S = 5.0
_ASK_AGAIN_S = 1.0


async def run(agent: AgentContext) -> None:
    """Look at every change and every few seconds; act; ask for the second look where one is needed."""
    while True:
        is_complete = await _look(agent)
        await wait_until_due(agent.reconcile_due, _LOOK_EVERY_S if is_complete else _ASK_AGAIN_S)


async def _look(agent: AgentContext) -> bool:
    """Return False when something waits for the second look, so that it is asked for again soon."""
    if agent.is_superseded:
        return True
    plan = decide(agent.wanted, agent.replicas, None)
    await _act(agent, plan.actions)
    if not plan.unconfirmed:
        return True
    confirmed = await ask(agent)
    if confirmed is None:
        _log.info("stop_unconfirmed", replicas=list(plan.unconfirmed))
        await asyncio.sleep(_ASK_AGAIN_S * agent.rng.uniform(0.2, 0.5))
        return False
    plan = decide(agent.wanted, agent.replicas, confirmed)
    await _act(agent, plan.actions)
    return not plan.unconfirmed


async def _act(agent: AgentContext, actions: tuple[Action, ...]) -> None:
    for action in actions:
        match action:
            case Start(assignment=assignment):
                agent.take_up(assignment)
            case Drain(replica_id=replica_id, reason=reason, detail=detail):
                agent.apply(replica_id, DrainBegun(reason=reason, detail=detail))
            case CancelDrain(replica_id=replica_id):
                agent.apply(replica_id, DrainCancelled())
            case Stop(replica_id=replica_id, reason=reason):
                agent.apply(replica_id, StopBegun(reason=reason))
            case Settle(assignment=assignment):
                agent.settle(assignment)
            case Forget(replica_id=replica_id):
                agent.forget(replica_id)
                await agent.host.forget(replica_id)
            case _:
                assert_never(action)

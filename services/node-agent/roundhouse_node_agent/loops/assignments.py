"""What should run here: the projection, and the scheduler's database itself."""

from collections.abc import Mapping

import structlog

from roundhouse_common.bus.api import BusUnavailable, RemoteError
from roundhouse_common.bus.projection import Projection
from roundhouse_common.contracts.registry import ASSIGNMENTS, READ_ASSIGNMENTS
from roundhouse_common.contracts.scheduler import AssignmentsQuery, NodeAssignments
from roundhouse_node_agent.context import AgentContext
from roundhouse_node_agent.domain.errors import EpochSuperseded, NodeRemoved
from roundhouse_node_agent.loops.waiting import wait_until_due

__all__ = ["ask", "run_confirmation", "run_projection"]

_log = structlog.get_logger(__name__)
_NOT_FOUND = "not_found"
_ASK_AGAIN_S = 5.0
"""After a question without an answer: an agent that just registered may have nothing else to go by."""


async def run_projection(agent: AgentContext) -> None:
    """Follow this node's key of the bucket."""

    def on_change(changed: Mapping[str, NodeAssignments]) -> None:
        for document in changed.values():
            agent.take_assignments(document)

    await Projection(agent.bus, ASSIGNMENTS, on_change=on_change, only_key=agent.node_id).run()


async def run_confirmation(agent: AgentContext) -> None:
    """Ask the database regularly, and when there is a reason to: a lost projection costs time, never truth."""
    pause_s = _interval_s(agent)
    while True:
        await wait_until_due(agent.confirm_due, pause_s)
        answer = await ask(agent)
        pause_s = _interval_s(agent) if answer is not None else min(_ASK_AGAIN_S, _interval_s(agent))


async def ask(agent: AgentContext) -> NodeAssignments | None:
    """Return what the scheduler's database wants of this node now, and take it in; None when nobody answers."""
    if agent.registered is None or agent.is_superseded:
        return None
    running = tuple(sorted(key for key, replica in agent.replicas.items() if replica.is_active))
    query = AssignmentsQuery(node_id=agent.node_id, epoch=agent.registered.epoch, running=running)
    try:
        document = await agent.bus.request(
            READ_ASSIGNMENTS, query, agent.node_id, timeout_s=agent.options.rpc_timeout_s
        )
    except BusUnavailable as error:
        _log.debug("scheduler_silent", why=error.message)
        return None
    except RemoteError as error:
        _refused(agent, error, asked_in=query.epoch)
        return None
    agent.scheduler_heard_at = agent.clock.monotonic()
    agent.take_assignments(document)
    return document


def _refused(agent: AgentContext, error: RemoteError, *, asked_in: int) -> None:
    if error.code == EpochSuperseded.code:
        if not _registers_anew(agent, asked_in):
            agent.supersede()
    elif error.code == NodeRemoved.code:
        agent.remove(error.message)
    elif error.code == _NOT_FOUND:
        _log.warning("node_unknown_to_scheduler", node_id=agent.node_id)
        agent.registration_due.set()
    else:
        _log.warning("assignments_refused", code=error.code, why=error.message)


def _registers_anew(agent: AgentContext, asked_in: int) -> bool:
    """Whether the epoch that was asked in is over because of this very agent: it has a later one, or has asked for one
    and its answer is under way."""
    is_past = agent.registered is not None and agent.registered.epoch > asked_in
    return is_past or agent.registration_due.is_set()


def _interval_s(agent: AgentContext) -> float:
    """Return how long until the next look: often enough that a fence is never due for want of asking."""
    wanted = agent.wanted.assignments if agent.wanted is not None else ()
    fences = [assignment.fence_after_s / 3 for assignment in wanted if assignment.fence_after_s > 0]
    interval_s = min([agent.options.confirm_interval_s, *fences])
    return interval_s * agent.rng.uniform(0.8, 1.0)

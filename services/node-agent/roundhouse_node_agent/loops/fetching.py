"""Waiting for the files of a replica's model, for as long as the replica is wanted."""

import asyncio

from roundhouse_common.contracts.scheduler import Assignment
from roundhouse_node_agent.context import AgentContext
from roundhouse_node_agent.domain.errors import ModelUnavailable

__all__ = ["fetched"]


async def fetched(agent: AgentContext, assignment: Assignment) -> str | None:
    """Return the path of the model's files; None when the replica was told to end, which ends the
    waiting. Raises ModelUnavailable."""
    async with asyncio.TaskGroup() as tasks:
        fetch = tasks.create_task(_fetch(agent, assignment), name=f"files-{assignment.replica_id}")
        fetch.add_done_callback(lambda _: waiting.cancel())
        waiting = tasks.create_task(_until_told_to_end(agent, assignment.replica_id), name="files-wanted")
        waiting.add_done_callback(lambda _: fetch.cancel())
    is_wanted = agent.replicas[assignment.replica_id].stop_reason is None
    if fetch.cancelled() or not is_wanted:
        return None
    found = fetch.result()
    if isinstance(found, ModelUnavailable):
        raise found
    return found


async def _fetch(agent: AgentContext, assignment: Assignment) -> str | ModelUnavailable:
    """An error raised in a group would come out wrapped."""
    try:
        return await agent.host.fetch(assignment)
    except ModelUnavailable as error:
        return error


async def _until_told_to_end(agent: AgentContext, replica_id: str) -> None:
    while agent.replicas[replica_id].stop_reason is None:
        await agent.changed()

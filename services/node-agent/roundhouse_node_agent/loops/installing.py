"""Waiting for a replica's engine to be installed, for as long as the replica is wanted."""

import asyncio

from roundhouse_common.contracts.scheduler import Assignment
from roundhouse_node_agent.context import AgentContext
from roundhouse_node_agent.domain.replica import EngineAwaited, EngineInstalled

__all__ = ["has_engine"]


async def has_engine(agent: AgentContext, assignment: Assignment) -> bool:
    """Return True once the engine is there; False when the replica was told to end, which ends the waiting, not the
    installation. Raises EngineUnavailable."""
    if not agent.host.lacks_engine(assignment):
        return True
    replica_id, version = assignment.replica_id, assignment.version
    detail = f"{version.engine.value} {version.engine_version or 'in its newest version'} is being installed"
    agent.apply(replica_id, EngineAwaited(detail=detail))
    install = asyncio.create_task(agent.host.ensure_engine(assignment), name=f"engine-for-{replica_id}")
    told = asyncio.create_task(_until_told_to_end(agent, replica_id), name=f"engine-wanted-{replica_id}")
    try:
        await asyncio.wait((install, told), return_when=asyncio.FIRST_COMPLETED)
        if not install.done():
            return False
        install.result()
    finally:
        install.cancel()
        told.cancel()
        await asyncio.wait((install, told))
    agent.apply(replica_id, EngineInstalled())
    return True


async def _until_told_to_end(agent: AgentContext, replica_id: str) -> None:
    while agent.replicas[replica_id].stop_reason is None:
        await agent.changed()

"""One task per engine that runs or starts, one per drain: derived from the replicas, so that it can begin anew."""

import asyncio

from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_node_agent.context import AgentContext
from roundhouse_node_agent.loops.drain import drain
from roundhouse_node_agent.loops.engine_life import live
from roundhouse_node_agent.loops.waiting import wait_until_due

__all__ = ["run"]

_LOOK_EVERY_S = 30.0


async def run(agent: AgentContext) -> None:
    """Give every active replica its life task and every draining one its drain task."""
    lives: dict[str, asyncio.Task[None]] = {}
    drains: dict[str, asyncio.Task[None]] = {}
    async with asyncio.TaskGroup() as tasks:
        while True:
            for replica in list(agent.replicas.values()):
                replica_id = replica.replica_id
                if replica.is_active and _is_idle(lives.get(replica_id)):
                    life = tasks.create_task(live(agent, replica_id), name=f"life-{replica_id}")
                    life.add_done_callback(lambda _: agent.engines_due.set())
                    lives[replica_id] = life
                is_draining = replica.is_serving and replica.phase is ObservedPhase.DRAINING
                if is_draining and not replica.is_stopping and _is_idle(drains.get(replica_id)):
                    drains[replica_id] = tasks.create_task(drain(agent, replica_id), name=f"drain-{replica_id}")
            for known in (lives, drains):
                for replica_id in [name for name, task in known.items() if task.done()]:
                    del known[replica_id]
            await wait_until_due(agent.engines_due, _LOOK_EVERY_S)


def _is_idle(task: asyncio.Task[None] | None) -> bool:
    return task is None or task.done()

"""What this node is to keep ready: its key of the bucket of orders."""

import asyncio
from collections.abc import Mapping

import structlog

from roundhouse_common.bus.projection import Projection
from roundhouse_common.contracts.provisioning import NodeOrders
from roundhouse_common.contracts.registry import ORDERS
from roundhouse_node_agent.context import AgentContext
from roundhouse_node_agent.domain.keeper import Keeper

__all__ = ["run"]

_log = structlog.get_logger(__name__)


async def run(agent: AgentContext, keeper: Keeper) -> None:
    """Follow the bucket; of several documents in a moment only the last one counts."""
    offered: list[NodeOrders] = []
    is_offered = asyncio.Event()

    def on_change(changed: Mapping[str, NodeOrders]) -> None:
        mine = [document for document in changed.values() if document.node_id == agent.node_id]
        offered[:] = mine or offered
        is_offered.set()

    async with asyncio.TaskGroup() as tasks:
        projection = Projection(agent.bus, ORDERS, on_change=on_change, only_key=agent.node_id)
        tasks.create_task(projection.run(), name="orders-projection")
        while True:
            await is_offered.wait()
            is_offered.clear()
            if not offered or agent.is_superseded:
                continue
            document = offered.pop()
            if await keeper.take(document):
                _log.info(
                    "orders_taken",
                    revision=document.revision,
                    files=len(document.files),
                    engines=len(document.engines),
                )
            agent.store_due.set()

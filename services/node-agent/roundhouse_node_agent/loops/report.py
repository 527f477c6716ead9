"""Telling the scheduler everything this node has and runs, at once when it changes."""

import asyncio

import structlog

from roundhouse_common.bus.api import BusUnavailable
from roundhouse_common.contracts.node import NodeReport
from roundhouse_common.contracts.registry import REPORTS
from roundhouse_node_agent.context import AgentContext
from roundhouse_node_agent.loops.waiting import wait_until_due

__all__ = ["run"]

_log = structlog.get_logger(__name__)
_RETRY_S = 0.5


async def run(agent: AgentContext) -> None:
    """Write the whole report at every change (changes during a write go into the next one) and regularly."""
    bucket = agent.bus.bucket(REPORTS)
    while True:
        is_change = await wait_until_due(agent.report_due, agent.options.report_interval_s)
        if not is_change or agent.is_room_freed:
            agent.is_room_freed = False
            agent.inventory = await agent.host.inventory()
        if agent.registered is None or agent.inventory is None or agent.is_superseded:
            continue
        agent.reports_made += 1
        agent.memory.tell()
        report = NodeReport(
            node_id=agent.node_id,
            epoch=agent.registered.epoch,
            incarnation=agent.incarnation,
            sequence=agent.reports_made,
            assignments_revision=agent.wanted.revision if agent.wanted is not None else 0,
            inventory=agent.inventory,
            replicas=agent.reports(),
        )
        try:
            await bucket.put(agent.node_id, report)
        except BusUnavailable as error:
            _log.debug("report_waits", why=error.message)
            agent.report_due.set()
            await asyncio.sleep(_RETRY_S * agent.rng.uniform(0.5, 1.0))

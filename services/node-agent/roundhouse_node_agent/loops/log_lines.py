"""Publishing engines' log lines as they come, a bounded number of them; whoever needs all reads the log."""

import asyncio
from collections.abc import Callable, Mapping

from roundhouse_common.bus.api import Bus
from roundhouse_common.contracts.registry import LOG_LINE
from roundhouse_node_agent.processes.log_queries import LogFeed, new_lines

__all__ = ["run"]

_LOOK_EVERY_S = 0.25
_MOST_LINES_PER_LOOK = 25
"""Per replica: a hundred lines a second."""


async def run(bus: Bus, node_id: str, feeds: Callable[[], Mapping[str, LogFeed]]) -> None:
    """Follow every replica's log from where it was first seen."""
    followed: dict[str, LogFeed] = {}
    while True:
        known = feeds()
        followed = {replica_id: followed.get(replica_id, feed) for replica_id, feed in known.items()}
        for replica_id, feed in followed.items():
            followed[replica_id], lines = await asyncio.to_thread(
                new_lines, replica_id, feed, max_lines=_MOST_LINES_PER_LOOK
            )
            for line in lines:
                await bus.signal(LOG_LINE, line, node_id, replica_id)
        await asyncio.sleep(_LOOK_EVERY_S)

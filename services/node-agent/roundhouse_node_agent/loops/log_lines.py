"""Publishing engines' log lines as they come, a bounded number of them; whoever needs all reads the log."""

import asyncio
from collections.abc import Callable, Mapping

from roundhouse_common.bus.api import Bus
from roundhouse_common.contracts.node import LogLine
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
        followed, lines = await asyncio.to_thread(_read, followed)
        for line in lines:
            await bus.signal(LOG_LINE, line, node_id, line.replica_id)
        await asyncio.sleep(_LOOK_EVERY_S)


def _read(followed: Mapping[str, LogFeed]) -> tuple[dict[str, LogFeed], list[LogLine]]:
    """Return where each log goes on, and what is new in all of them."""
    moved: dict[str, LogFeed] = {}
    lines: list[LogLine] = []
    for replica_id, feed in followed.items():
        moved[replica_id], new = new_lines(replica_id, feed, max_lines=_MOST_LINES_PER_LOOK)
        lines += new
    return moved, lines

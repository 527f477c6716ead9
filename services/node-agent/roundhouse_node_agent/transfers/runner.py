"""Runs one transfer in a child process, for the agent."""

import sys
from collections.abc import Awaitable, Callable

from roundhouse_node_agent.transfers.messages import FetchOrder, Progress
from roundhouse_node_agent.transfers.store import StoredFiles

__all__ = ["Fetch", "OnProgress", "fetch"]

OnProgress = Callable[[Progress], None]

Fetch = Callable[[FetchOrder, OnProgress], Awaitable[StoredFiles]]
"""The seam: who needs files calls this; tests put something else in its place."""


async def fetch(order: FetchOrder, on_progress: OnProgress, *, python: str = sys.executable) -> StoredFiles:
    """Fetch the model into the store and return it; one that is there already is returned at once.

    Raises TransferFailed. Cancelling ends the child; what was fetched so far stays in the store, and the next call
    goes on from there. Two fetches of one key at the same time are safe: the second waits for the first.
    """
    raise NotImplementedError

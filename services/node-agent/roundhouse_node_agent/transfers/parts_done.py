"""What happens to the parts of one file once they are written: noted in the journal, and hashed in their order."""

import asyncio
import contextlib
from typing import Final

from roundhouse_node_agent.transfers.errors import TransferFailed
from roundhouse_node_agent.transfers.hashing import Digests
from roundhouse_node_agent.transfers.part_queue import PartQueue
from roundhouse_node_agent.transfers.partial_file import PartialFile
from roundhouse_node_agent.transfers.tools import Tools, in_thread

__all__ = ["PartsDone"]

_SLICE_BYTES: Final = 256 * 1024 * 1024
"""A transfer that fails waits for no more hashing than this."""


class PartsDone:
    """Notes and hashes beside the fetching, so that no connection waits for the disk."""

    def __init__(self, partial: PartialFile, queue: PartQueue, tools: Tools, *, with_git: bool) -> None:
        head = partial.head
        assert head is not None
        self._partial = partial
        self._queue = queue
        self._tools = tools
        self._to_commit: list[int] = []
        self._left = queue.missing_count
        self._written = asyncio.Event()
        self._grown = asyncio.Event()
        self.digests = Digests(partial.fd, head.size, with_git=with_git)

    def add(self, part: int) -> None:
        """Take in a part whose bytes are all written."""
        self._queue.finish(part)
        self._to_commit.append(part)
        self._written.set()
        self._grown.set()

    async def commit(self) -> None:
        """Note parts until all are noted; those that end while the disk syncs share the next sync."""
        while self._left:
            await self._written.wait()
            self._written.clear()
            await self._commit()

    async def _commit(self) -> None:
        parts, self._to_commit = self._to_commit, []
        self._left -= len(parts)
        await in_thread(self._tools.writing, self._partial.commit, parts)

    async def hash(self) -> None:
        """Hash until the end of the file."""
        while True:
            self._grown.clear()
            whole = self._queue.prefix_bytes
            while self.digests.done_bytes < whole:
                until = min(whole, self.digests.done_bytes + _SLICE_BYTES)
                await in_thread(self._tools.hashing, self.digests.take, until)
            if self.digests.done_bytes == self.digests.size:
                return
            await self._grown.wait()

    async def close(self) -> None:
        """Note what is written and not noted yet: whatever ended the transfer, as little as possible is lost."""
        with contextlib.suppress(TransferFailed):
            if self._to_commit:
                await self._commit()
            if begun := self._queue.begun():
                await in_thread(self._tools.writing, self._partial.keep_begun, begun)

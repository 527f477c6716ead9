"""Takes the bytes of one answer to the disk."""

from typing import Final

import aiohttp

from roundhouse_node_agent.transfers.part_queue import Span
from roundhouse_node_agent.transfers.partial_file import PartialFile
from roundhouse_node_agent.transfers.places import Places
from roundhouse_node_agent.transfers.refusals import Setback
from roundhouse_node_agent.transfers.tools import Tools, in_thread
from roundhouse_node_agent.transfers.web import Place

__all__ = ["Receiver"]

_FLUSH_BYTES: Final = 2 * 1024 * 1024


class Receiver:
    """For all answers about one file."""

    def __init__(self, path: str, partial: PartialFile, places: Places, tools: Tools) -> None:
        self._path = path
        self._partial = partial
        self._places = places
        self._tools = tools

    async def take(self, answer: aiohttp.ClientResponse, place: Place, span: Span) -> None:
        """Write what comes until the answer is over. What came before a cut is written, too: `span` says how far.

        Raises Setback when more or less comes than the span has room for.
        """
        buffers: list[bytes] = []
        buffered = 0
        try:
            async for chunk in answer.content.iter_any():
                if 0 <= span.end < span.offset + buffered + len(chunk):
                    raise Setback(f"{place.origin} sent more of {self._path} than it was asked for")
                buffers.append(chunk)
                buffered += len(chunk)
                self._places.heard(place)
                self._tools.gauge.receive(self._path, len(chunk), place.origin)
                if buffered >= _FLUSH_BYTES:
                    buffers, full, buffered = [], buffers, 0
                    await self._write(span, full)
                await self._tools.rate.take(len(chunk))
        finally:
            if buffers:
                await self._write(span, buffers)
        if span.end >= 0 and not span.is_whole:
            raise Setback(f"{place.origin} ended {self._path} at {span.offset} of {span.end} bytes")

    async def _write(self, span: Span, buffers: list[bytes]) -> None:
        await in_thread(self._tools.writing, self._partial.write, span.offset, buffers)
        span.offset += sum(map(len, buffers))

"""Fetches one file, over as many connections as there are, from wherever it can be had, until its digest is right."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp

from roundhouse_node_agent.transfers.answers import Extent, extent_of, range_headers, validator_of
from roundhouse_node_agent.transfers.errors import TransferFailed
from roundhouse_node_agent.transfers.hashing import Digests
from roundhouse_node_agent.transfers.journal import JournalHead, bytes_of
from roundhouse_node_agent.transfers.part_queue import PartQueue, Span
from roundhouse_node_agent.transfers.partial_file import PartialFile
from roundhouse_node_agent.transfers.parts_done import PartsDone
from roundhouse_node_agent.transfers.places import Places
from roundhouse_node_agent.transfers.plan import RemoteFile
from roundhouse_node_agent.transfers.receiving import Receiver
from roundhouse_node_agent.transfers.refusals import Changed, Refusal, Setback
from roundhouse_node_agent.transfers.tools import Tools, in_thread, together
from roundhouse_node_agent.transfers.web import Place

__all__ = ["FileTransfer"]

_MOST_CHANGES: Final = 3
_MOST_DIGEST_TRIES: Final = 2
_MOST_IGNORED_RANGES: Final = 3
_PROBE_BYTES: Final = 1024 * 1024
"""The first request takes so little because all other connections wait for what it tells."""


class FileTransfer:
    """One file, whose lock is held. Its parts are in `partial`, and stay there whatever happens."""

    def __init__(self, file: RemoteFile, partial: PartialFile, places: Places, tools: Tools) -> None:
        self._file = file
        self._partial = partial
        self._places = places
        self._tools = tools
        self._receiver = Receiver(file.path, partial, places, tools)
        self._is_stream = 0 <= file.size <= tools.limits.part_bytes
        """One connection, from the start: for small files, and where no address takes ranges."""
        self._begun: dict[int, int] = partial.begun()
        """How many bytes of parts that are not whole are there."""
        self._size = file.size
        self._last: Place | None = None

    async def run(self) -> tuple[str, int]:
        """Return the SHA-256 and the size of the file, whose data is whole and synced. Raises TransferFailed."""
        for _ in range(_MOST_DIGEST_TRIES):
            digests = await self._fill()
            complaint = self._mismatch(digests)
            if not complaint:
                return digests.sha256, digests.done_bytes
            await self._forget()
            if self._last is not None:
                self._places.turn(self._last)
        raise TransferFailed(complaint)

    def _mismatch(self, digests: Digests) -> str:
        file = self._file
        wanted, found = (file.sha256, digests.sha256) if file.sha256 else (file.git_sha1, digests.git_sha1)
        if not wanted or wanted == found:
            return ""
        where = ", ".join(sorted({place.origin for place in self._places.all}))
        return (
            f"{file.path} is damaged, or not the file that was stated: its digest is {found}, wanted was {wanted}. "
            f"It was fetched {_MOST_DIGEST_TRIES} times from {where}. Check what was stated, or use another source"
        )

    async def _fill(self) -> Digests:
        """Fetch what is missing, starting afresh when the file turns out to be another one."""
        for _ in range(_MOST_CHANGES + 1):
            try:
                if self._file.size == 0:
                    await self._begin(0, "")
                elif self._partial.head is None:
                    await self._persist(self._first)
                return await self._rest()
            except Changed:
                await self._forget()
        raise TransferFailed(
            f"{self._file.path} changed on its server {_MOST_CHANGES} times while it was fetched", True
        )

    async def _forget(self) -> None:
        self._tools.gauge.stand(self._file.path, 0)
        self._begun = {}
        await in_thread(self._tools.writing, self._partial.reset)

    async def _persist(self, attempt: Callable[[Place], Awaitable[None]], *, for_parts: bool = False) -> None:
        """Make an attempt again, wherever there is hope, until it succeeds. Raises TransferFailed."""
        while True:
            place = self._places.pick(for_parts=for_parts)
            if place is None and for_parts and self._places.pick() is not None:
                self._is_stream = True
                raise Changed
            if place is None:
                raise self._places.refused()
            if rest_s := self._places.rest_s(place):
                await self._tools.sleep(rest_s)
                continue
            try:
                async with self._tools.slots:
                    asked_at = self._tools.clock.monotonic()
                    self._last = place
                    return await attempt(place)
            except Refusal as refusal:
                place.refusal = str(refusal)
            except Setback as setback:
                self._places.failed(place, setback, asked_at)
                if not for_parts and self._partial.head is not None:
                    return None  # enough is known: what was cut off is one of the missing parts

    async def _first(self, place: Place) -> None:
        """Ask for the start of the file: that tells its size, and whether the server takes ranges."""
        probe = _PROBE_BYTES if self._file.size < 0 else min(_PROBE_BYTES, self._file.size)
        headers = {} if self._is_stream else range_headers(Span(0, min(probe, self._tools.limits.part_bytes)))
        async with self._tools.web.get(place, headers) as answer:
            extent = extent_of(answer.status, answer.headers)
            if extent is None and self._is_stream:
                raise Refusal(f"{place.origin} does not give {self._file.path} as it is, but encoded")
            if extent is None or extent.start != 0:
                self._is_stream = True
                raise Setback(f"{place.origin} answers to ranges in a way that cannot be relied on")
            self._learn(place, extent)
            if not extent.is_part:
                await self._stream(answer, place, extent)
                return
            await self._begin(extent.total, validator_of(answer.headers))
            span = Span(0, min(extent.end, self._tools.limits.part_bytes))
            try:
                await self._receiver.take(answer, place, span)
            except asyncio.CancelledError:
                await in_thread(self._tools.writing, self._partial.keep_begun, {0: span.offset})
                raise
            finally:
                self._begun = {0: span.offset}

    def _learn(self, place: Place, extent: Extent) -> None:
        """Take in the size of the file. A server that has another one than was stated has another file."""
        if extent.total < 0 or extent.total == self._file.size:
            return
        if self._file.size >= 0:
            raise Refusal(
                f"{place.origin} has {extent.total} bytes of {self._file.path}, stated were {self._file.size}"
            )
        if self._size < 0:
            self._tools.check_room(extent.total)
            self._tools.gauge.total_bytes += extent.total
        self._size = extent.total

    async def _begin(self, size: int, validator: str) -> None:
        kept = "" if self._has_digest else validator
        await in_thread(self._tools.writing, self._partial.begin, size, self._tools.limits.part_bytes, kept)

    @property
    def _has_digest(self) -> bool:
        """Then the digest decides; addresses may mix, and what servers call a state of the file does not matter."""
        return bool(self._file.sha256 or self._file.git_sha1)

    async def _stream(self, answer: aiohttp.ClientResponse, place: Place, extent: Extent) -> None:
        """Take the whole file from one answer. A cut means to start again."""
        span = Span(0, extent.total)
        self._tools.gauge.stand(self._file.path, 0)
        await self._receiver.take(answer, place, span)
        await self._begin(span.offset, validator_of(answer.headers))
        assert self._partial.head is not None
        await in_thread(self._tools.writing, self._partial.commit, range(self._partial.head.part_count))

    async def _rest(self) -> Digests:
        """Fetch the parts that are missing, noting and hashing them as they come."""
        head = self._partial.head
        assert head is not None
        queue = PartQueue(head, self._partial.parts, self._begun)
        done = PartsDone(self._partial, queue, self._tools, with_git=bool(self._file.git_sha1))
        there = bytes_of(head, self._partial.parts) + sum(self._begun.values())
        self._tools.gauge.stand(self._file.path, there)
        workers = min(self._tools.limits.connections, queue.missing_count)
        try:
            await together(done.hash(), done.commit(), *(self._work(head, queue, done) for _ in range(workers)))
        finally:
            await done.close()
        return done.digests

    async def _work(self, head: JournalHead, queue: PartQueue, done: PartsDone) -> None:
        for part, span in queue.spans():
            if not span.is_whole:
                await self._persist(functools.partial(self._part, head, span), for_parts=True)
            done.add(part)

    async def _part(self, head: JournalHead, span: Span, place: Place) -> None:
        async with self._tools.web.get(place, range_headers(span, head.validator)) as answer:
            extent = extent_of(answer.status, answer.headers)
            is_other = extent is not None and extent.total not in (-1, head.size)
            found = validator_of(answer.headers)
            if answer.status == 416 or is_other:
                raise self._other(place, f"{place.origin} has not the {head.size} bytes of {self._file.path} any more")
            if head.validator and found and found != head.validator:
                raise Changed
            if extent is None or not extent.is_part or extent.start != span.offset or extent.end > span.end:
                # Some caches answer so once in a while: that must not cost the parts which are there.
                place.has_ranges = place.ignored_ranges < _MOST_IGNORED_RANGES
                place.ignored_ranges += 1
                raise Setback(f"{place.origin} does not give parts of {self._file.path}")
            place.ignored_ranges = 0
            await self._receiver.take(answer, place, span)

    def _other(self, place: Place, message: str) -> Exception:
        """Return what it means that a server has another file: nothing to the file whose digest is known."""
        return Refusal(message) if self._has_digest else Changed()

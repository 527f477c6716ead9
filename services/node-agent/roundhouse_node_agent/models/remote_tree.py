"""Reads the beginnings of files at a source by ranges of HTTP, within limits."""

import io
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import BinaryIO, Final

import httpx2

from roundhouse_common.sizing.readers import Unreadable
from roundhouse_node_agent.sources.source import SourceRefused
from roundhouse_node_agent.sources.web import host_of, joined, passing, reached
from roundhouse_node_agent.transfers.plan import RemoteFile

__all__ = ["Budget", "RemoteTree"]

_FIRST_BYTES: Final = 128 * 1024
"""Holds the header of most shards."""
_MOST_AT_ONCE_BYTES: Final = 8 * 1024 * 1024
_AT_ONCE: Final = 8
_ROUNDS: Final = 3
_MOST_PAUSE_S: Final = 3.0
_BUFFER_BYTES: Final = 64 * 1024


class Budget:
    """How much may be asked for all files of a model together. Any thread may spend."""

    def __init__(self, *, most_bytes: int = 256 * 1024**2, most_requests: int = 3000) -> None:
        self._bytes = most_bytes
        self._requests = most_requests
        self._lock = threading.Lock()

    def spend(self, *, size: int = 0, requests: int = 0) -> None:
        """Raise Unreadable when it is used up."""
        with self._lock:
            self._bytes -= size
            self._requests -= requests
            if self._bytes < 0 or self._requests < 0:
                raise Unreadable("the headers of its files are larger than what is read before they are fetched")


class RemoteTree:
    """The files of one folder of a plan; those in folders below are not seen, as `LocalTree` does not see them."""

    def __init__(
        self, files: Sequence[RemoteFile], *, what: str, folder: str = "", client: httpx2.Client, budget: Budget
    ) -> None:
        start = f"{folder}/" if folder else ""
        inside = {file.path.removeprefix(start): file for file in files if file.path.startswith(start)}
        self._files = {name: _Ranges(file, client, budget) for name, file in inside.items() if "/" not in name}
        self._what = what
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="headers")

    def __enter__(self) -> "RemoteTree":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def what(self) -> str:
        return self._what

    def names(self) -> Sequence[str]:
        return sorted(self._files)

    def size(self, name: str) -> int | None:
        file = self._files.get(name)
        return file.size() if file else None

    def expect(self, names: Sequence[str]) -> None:
        for name in names:
            if name in self._files:
                self._files[name].begin(self._pool)

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        return io.BufferedReader(_Reader(self._files[name]), _BUFFER_BYTES)


class _Ranges:
    """One file: parts of it by their place, the first one perhaps asked for beforehand."""

    def __init__(self, file: RemoteFile, client: httpx2.Client, budget: Budget) -> None:
        self._file = file
        self._client = client
        self._budget = budget
        self._size = file.size
        self._ways = {url: (url, dict(file.headers)) for url in file.urls}
        self._first: Future[bytes] | None = None

    def begin(self, pool: ThreadPoolExecutor) -> None:
        if self._first is None:
            self._first = pool.submit(self._fetch, 0, _FIRST_BYTES)

    def size(self) -> int:
        if self._size < 0:
            self.part(0, _FIRST_BYTES)
        if self._size < 0:
            raise Unreadable(f"{self._file.path}: the source does not say how large it is")
        return self._size

    def part(self, start: int, count: int) -> bytes:
        """Return these bytes and maybe more; empty behind the end."""
        if 0 <= self._size <= start:
            return b""
        if start == 0 and count <= _FIRST_BYTES:
            if self._first is None:
                self._first = Future()
                self._first.set_result(self._fetch(0, _FIRST_BYTES))
            return self._first.result()
        return self._fetch(start, count)

    def _fetch(self, start: int, count: int) -> bytes:
        """Ask each address in turn, and once more after a pause when all of them have passing trouble."""
        refusals: list[SourceRefused] = []
        for _ in range(_ROUNDS):
            refusals = []
            for url in self._file.urls:
                try:
                    return self._ask(url, start, count)
                except SourceRefused as refused:
                    refusals.append(refused)
            if not refusals or not any(refused.is_retryable for refused in refusals):
                break
            pause_s = max(refused.retry_after_s for refused in refusals) or 0.3
            if pause_s > _MOST_PAUSE_S:
                break
            threading.Event().wait(pause_s)
        raise joined(refusals)

    def _ask(self, url: str, start: int, count: int) -> bytes:
        way, headers = self._ways[url]
        last = start + count - 1 if self._size < 0 else min(start + count, self._size) - 1
        self._budget.spend(requests=1)
        asked = {**headers, "Range": f"bytes={start}-{last}", "Accept-Encoding": "identity"}
        body = bytearray()
        with reached(way), self._client.stream("GET", way, headers=asked) as answer:
            if answer.status_code not in (200, 206) and way != url:  # where a redirect led is not valid for ever
                self._ways[url] = (url, dict(self._file.headers))
                return self._ask(url, start, count)
            if answer.status_code not in (200, 206):
                raise self._refusal(answer, url)
            is_part = answer.status_code == 206
            if is_part and not answer.headers.get("content-range", "").startswith(f"bytes {start}-"):
                raise SourceRefused(f"{host_of(url)} gives another part of {self._file.path} than was asked for")
            self._learn(url, answer)
            wanted = last - start + 1 if is_part else last + 1
            for piece in answer.iter_raw():
                self._budget.spend(size=len(piece))
                body += piece
                if len(body) >= wanted:
                    break
        return bytes(body[:wanted] if is_part else body[start:wanted])

    def _learn(self, url: str, answer: httpx2.Response) -> None:
        """Note where redirects led, so that not every part asks for the way, and how large the file is."""
        if answer.history and "content-encoding" not in answer.headers:
            is_same = host_of(str(answer.url)) == host_of(url)
            self._ways[url] = (str(answer.url), dict(self._file.headers) if is_same else {})
        if self._size < 0:
            ranged = answer.status_code == 206
            told = answer.headers.get("content-range" if ranged else "content-length", "").rpartition("/")[2]
            self._size = int(told) if told.isdigit() else -1

    def _refusal(self, answer: httpx2.Response, url: str) -> SourceRefused:
        host, status = host_of(url), answer.status_code
        return passing(host, status, answer.headers) or SourceRefused(
            f"{host} does not give {self._file.path} ({status}), though it is listed there"
        )


class _Reader(io.RawIOBase):
    """Reads on from the beginning; each question asks for more than the last one."""

    def __init__(self, ranges: _Ranges) -> None:
        self._ranges = ranges
        self._at = 0
        self._held = b""
        self._held_at = 0
        self._next_bytes = _FIRST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]  # what BufferedReader passes
        if not self._held_at <= self._at < self._held_at + len(self._held):
            self._held = self._ranges.part(self._at, max(self._next_bytes, len(buffer)))
            self._held_at = self._at
            self._next_bytes = min(2 * self._next_bytes, _MOST_AT_ONCE_BYTES)
        start = self._at - self._held_at
        found = self._held[start : start + len(buffer)]
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)

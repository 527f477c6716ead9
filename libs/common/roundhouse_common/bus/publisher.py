"""The owner's side of a bucket: makes the bucket equal to the record, and keeps it so."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Generic, TypeVar

import structlog

from roundhouse_common.bus.api import Bus, BusUnavailable, Entry
from roundhouse_common.bus.tasks import backoff_s
from roundhouse_common.contracts.base import Bucket, Message

__all__ = ["Publisher"]

M = TypeVar("M", bound=Message)

_WRITES_AT_ONCE = 16
_log = structlog.get_logger("roundhouse.bus")


class _Writes:
    """Several writes at a time, none begun any more after one has failed.

    A failure is kept and not raised in its task: a TaskGroup of Python 3.11 that fails while its parent is cancelled
    loses the cancellation, and the publisher would go on for ever.
    """

    def __init__(self) -> None:
        self.failure: BusUnavailable | None = None
        self._limit = asyncio.Semaphore(_WRITES_AT_ONCE)

    async def attempt(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write when it is its turn."""
        async with self._limit:
            if self.failure is not None:
                return
            try:
                await write()
            except BusUnavailable as error:
                self.failure = self.failure or error


class Publisher(Generic[M]):
    """Writes what `desired` returns whenever it differs from the bucket.

    After `wake` it compares with what it wrote last, and `sync(only=keys)` compares just these keys of it, which `some`
    returns; at the start, after a reconnect, when somebody else wrote into the bucket and every `resync_s` it compares
    with the bucket itself, so a wiped or tampered bucket heals. Keys that
    are not desired are deleted only with `prune`. Node agents set `only_key`.
    """

    def __init__(
        self,
        bus: Bus,
        contract: Bucket[M],
        *,
        desired: Callable[[], Awaitable[Mapping[str, M]]],
        some: Callable[[Collection[str]], Awaitable[Mapping[str, M]]] | None = None,
        resync_s: float = 60.0,
        prune: bool = False,
        only_key: str | None = None,
    ) -> None:
        self._bucket = bus.bucket(contract)
        self._name = contract.subject
        self._desired = desired
        self._some = some
        self._resync_s = resync_s
        self._prune = prune
        self._only_key = only_key
        self._written: dict[str, M] = {}
        self._revisions: dict[str, int] = {}
        self._failures = 0
        self._is_verified = False
        self._wanted = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()

    def wake(self) -> None:
        """Say that `desired` may return something else now. Cheap; many calls make one look."""
        self._wanted.set()

    async def run(self) -> None:
        """Keep the bucket equal to the record until cancelled."""
        async with self._bucket.watch(only_key=self._only_key) as changes, asyncio.TaskGroup() as group:
            group.create_task(self._guard(changes), name=f"publisher-{self._name}-guard")
            while True:
                self._wanted.clear()
                try:
                    await self.sync()
                    self._failures = 0
                except BusUnavailable as error:
                    self._failures += 1
                    _log.debug("bus.publisher_waits", bucket=self._name, error=str(error))
                await self._rest(backoff_s(self._failures, most_s=1.0) if self._failures else self._resync_s)

    def doubt(self) -> None:
        """Compare with the bucket itself the next time: somebody else may have been its writer meanwhile."""
        self._is_verified = False
        self._wanted.set()

    async def sync(self, *, only: Collection[str] | None = None) -> int:
        """Write what differs, now; return how many keys were written or deleted. Raises BusUnavailable.

        With `only`, keys that cannot differ are left out, unless all must be compared anyway.
        """
        return await self._make_equal(is_rebuild=False, only=only)

    async def rebuild(self) -> int:
        """Write every desired key, whatever the bucket holds; return how many. Raises BusUnavailable."""
        return await self._make_equal(is_rebuild=True)

    async def _make_equal(self, *, is_rebuild: bool, only: Collection[str] | None = None) -> int:
        """Nothing counts as written after a failure of any kind: the next look compares with the bucket."""
        async with self._one_at_a_time:
            is_done = False
            try:
                if self._is_verified and only is not None and self._some is not None:
                    count = await self._write(await self._some(only), base=self._written, is_whole=False)
                    is_done = True
                    return count
                if not self._is_verified and not is_rebuild:
                    self._is_verified = True  # before the look: whoever writes during it asks for another
                    listed = await self._bucket.list(only_key=self._only_key)
                    self._written = {key: entry.value for key, entry in listed.items()}
                    self._revisions = {key: entry.revision for key, entry in listed.items()}
                count = await self._write(await self._desired(), base={} if is_rebuild else self._written)
                is_done = True
            finally:
                if not is_done:
                    self._is_verified = False
            return count

    async def _write(self, desired: Mapping[str, M], *, base: Mapping[str, M], is_whole: bool = True) -> int:
        puts = {key: value for key, value in desired.items() if base.get(key) != value}
        deletes = [key for key in self._written if key not in desired] if self._prune and is_whole else []
        work = _Writes()
        async with asyncio.TaskGroup() as group:
            for key, value in puts.items():
                group.create_task(work.attempt(partial(self._put, key, value)), name=f"put-{key}")
            for key in deletes:
                group.create_task(work.attempt(partial(self._delete, key)), name=f"delete-{key}")
        if work.failure is not None:
            raise work.failure
        return len(puts) + len(deletes)

    async def _put(self, key: str, value: M) -> None:
        self._written[key] = value  # before the watch can show it; a failed put makes the next sync verify
        self._revisions[key] = await self._bucket.put(key, value)

    async def _delete(self, key: str) -> None:
        await self._bucket.delete(key)
        del self._written[key]

    async def _guard(self, changes: AsyncIterator[Entry[M] | None]) -> None:
        """Wake the publisher when the bucket may hold something that it did not write."""
        async for change in changes:
            if change is None:
                self._failures = 0
            if change is None or self._is_foreign(change):
                self._is_verified = False
                self._wanted.set()

    def _is_foreign(self, entry: Entry[M]) -> bool:
        """Tell somebody else's write from the echo of an own one, which may come late."""
        is_newer = entry.revision > self._revisions.get(entry.key, 0)
        return is_newer and self._written.get(entry.key) != entry.value

    async def _rest(self, wait_s: float) -> None:
        try:
            async with asyncio.timeout(wait_s):
                await self._wanted.wait()
        except TimeoutError:
            self._is_verified = False

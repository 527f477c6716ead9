"""The reader's side of a bucket: a view that is always there, and at most `relist_s` behind whatever happens."""

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

import structlog

from roundhouse_common.bus.api import Bus, BusUnavailable, Entry, NotConnected
from roundhouse_common.bus.tasks import backoff_s
from roundhouse_common.contracts.base import Bucket, Message

__all__ = ["Projection"]

M = TypeVar("M", bound=Message)

_SECOND_LOOK_S = 0.5
_UNCONNECTED_S = 30.0
"""How long nobody looks while there is no connection, if the watch tells of none."""
_log = structlog.get_logger("roundhouse.bus")


class Projection(Generic[M]):
    """A level-triggered view of a bucket.

    It lists the bucket at the start, after each reconnect and every `relist_s`; the watch only makes it look sooner.
    Keys are never removed: a lost connection, a wiped bucket or a deleted key is no order (design §2.6); contracts
    have tombstones for that.

    `on_change` gets the entries that differ from before, after `current` has them. It is called in the task of `run`,
    and once with an empty mapping when the first listing found nothing new, so that a reader knows it is in sync.
    With `only_key` just that key is read, which is all a node agent may do.
    """

    def __init__(
        self,
        bus: Bus,
        contract: Bucket[M],
        *,
        on_change: Callable[[Mapping[str, M]], None] | None = None,
        relist_s: float = 60.0,
        only_key: str | None = None,
    ) -> None:
        self._bucket = bus.bucket(contract)
        self._name = contract.subject
        self._on_change = on_change
        self._relist_s = relist_s
        self._only_key = only_key
        self._revisions: dict[str, int] = {}
        self._values: dict[str, M] = {}
        self._is_synced = False
        self._has_synced = False
        self._saw_older = False
        self._failures = 0

    @property
    def current(self) -> Mapping[str, M]:
        """The last known values by key: a live, read-only view."""
        return MappingProxyType(self._values)

    @property
    def is_synced(self) -> bool:
        """Whether the bucket was listed on the connection there is now."""
        return self._is_synced

    @property
    def has_synced(self) -> bool:
        """Whether the bucket was ever listed."""
        return self._has_synced

    async def run(self) -> None:
        """Follow the bucket until cancelled."""
        loop = asyncio.get_running_loop()
        async with self._bucket.watch(only_key=self._only_key) as changes:
            look_at = loop.time()
            while True:
                if loop.time() >= look_at:
                    look_at = loop.time() + await self._relist()
                try:
                    async with asyncio.timeout_at(look_at):
                        change = await anext(changes)
                except TimeoutError:
                    continue
                if change is None:
                    self._connection_changed()
                    look_at = loop.time()
                elif not self._apply(change):
                    look_at = loop.time()

    def _connection_changed(self) -> None:
        """Take whatever the next listing says: it may be of another server, or of a bucket that began afresh."""
        self._is_synced = False
        self._failures = 0
        self._revisions.clear()

    async def _relist(self) -> float:
        """List, take in what is new, and return after how many seconds to look again."""
        try:
            listed = await self._bucket.list(only_key=self._only_key)
        except BusUnavailable as error:
            self._failures += 1
            _log.debug("bus.projection_waits", bucket=self._name, error=str(error))
            if isinstance(error, NotConnected):
                return _UNCONNECTED_S
            return backoff_s(self._failures, most_s=1.0)
        self._failures = 0
        older = {key for key, entry in listed.items() if entry.revision < self._revisions.get(key, 0)}
        if older and not self._saw_older:
            # Either the bucket began afresh, or the server that answered lags behind the one that told of the change
            # (any server of a cluster may answer a read). The second look decides.
            self._saw_older = True
            self._take({key: entry for key, entry in listed.items() if key not in older})
            return _SECOND_LOOK_S
        self._saw_older = False
        self._take(listed)
        return self._relist_s

    def _take(self, listed: Mapping[str, Entry[M]]) -> None:
        self._revisions.update({key: entry.revision for key, entry in listed.items()})
        changed = {key: entry.value for key, entry in listed.items() if self._values.get(key) != entry.value}
        is_first = not self._has_synced
        self._is_synced = self._has_synced = True
        self._changed(changed, even_if_empty=is_first)

    def _apply(self, entry: Entry[M]) -> bool:
        """Take in a watched change. Return False when it is older than what is known: then only a listing can tell."""
        known = self._revisions.get(entry.key, 0)
        if entry.revision > known:
            self._revisions[entry.key] = entry.revision
            if self._values.get(entry.key) != entry.value:
                self._changed({entry.key: entry.value})
        return entry.revision >= known

    def _changed(self, changed: Mapping[str, M], *, even_if_empty: bool = False) -> None:
        self._values.update(changed)
        if self._on_change and (changed or even_if_empty):
            self._on_change(MappingProxyType(dict(changed)))

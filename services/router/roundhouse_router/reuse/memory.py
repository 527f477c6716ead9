"""Kept answers in this process: bounded in bytes, the least recently used go first."""

from collections import OrderedDict
from typing import Generic, TypeVar

from roundhouse_common.runtime import Clock

__all__ = ["MemoryStore"]

V = TypeVar("V")


class MemoryStore(Generic[V]):
    """Values with a size and a time to live. Never larger than `max_bytes`; a value larger than that is not kept."""

    def __init__(self, clock: Clock, *, max_bytes: int) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        self._entries: OrderedDict[bytes, tuple[V, int, float]] = OrderedDict()
        self.size_bytes = 0
        self.evictions = 0
        """Values that went for want of room before their time was over."""

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> V | None:
        """Return the value if its time is not over; it is the last to go now."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[2] <= self._clock.monotonic():
            self.drop(key)
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: bytes, value: V, *, size_bytes: int, ttl_s: float) -> bool:
        """Keep a value instead of what was there, and return whether there was room for it."""
        self.drop(key)
        if size_bytes > self._max_bytes or ttl_s <= 0:
            return False
        self._entries[key] = (value, size_bytes, self._clock.monotonic() + ttl_s)
        self.size_bytes += size_bytes
        while self.size_bytes > self._max_bytes:
            _, (_, size, until) = self._entries.popitem(last=False)
            self.size_bytes -= size
            self.evictions += until > self._clock.monotonic()
        return True

    def under(self, prefix: bytes) -> tuple[int, int]:
        """Return how many values there are under keys that begin so, and their size in bytes. Looks at all keys."""
        now = self._clock.monotonic()
        sizes = [size for key, (_, size, until) in self._entries.items() if key.startswith(prefix) and until > now]
        return len(sizes), sum(sizes)

    def drop_under(self, prefix: bytes) -> int:
        """Forget what is under keys that begin so, and return how much that was."""
        found = [key for key in self._entries if key.startswith(prefix)]
        for key in found:
            self.drop(key)
        return len(found)

    def drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.size_bytes -= entry[1]

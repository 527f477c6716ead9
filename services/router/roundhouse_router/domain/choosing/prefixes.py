"""Which beginnings of prompts each endpoint of a deployment has been sent: a guess at what its cache holds."""

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

__all__ = ["PROMPT_MOST", "PrefixTable", "prefix_hashes"]

_BLOCK: Final = 256
_LONG_BLOCK: Final = 1024
_LONG_FROM: Final = 4096
PROMPT_MOST: Final = 16 * 1024
"""Bytes of a prompt that are looked at: what is longer is told apart well enough by its beginning."""
_OWNERS_MOST: Final = 4
_NEWS_MOST: Final = 4096


def prefix_hashes(prompt: bytes, salt: bytes = b"") -> tuple[int, ...]:
    """Return a hash for each beginning of the prompt that ends with a block, the shortest first.

    Equal on all routers, and for equal salts only. Blocks of 256 bytes, beyond 4 KiB of 1 KiB. A part that fills no
    block has none.
    """
    found: list[int] = []
    digest = salt
    at, size = 0, min(len(prompt), PROMPT_MOST)
    while True:
        end = at + (_BLOCK if at < _LONG_FROM else _LONG_BLOCK)
        if end > size:
            return tuple(found)
        digest = blake2b(digest + prompt[at:end], digest_size=8).digest()
        found.append(int.from_bytes(digest, "big"))
        at = end


class PrefixTable:
    """Of one deployment; the least recently used beginnings are forgotten."""

    __slots__ = ("_entries", "_most", "_news")

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: OrderedDict[int, tuple[str, ...]] = OrderedDict()
        self._news: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def owners(self, prefix: int) -> Sequence[str]:
        """Return the endpoints that were sent this beginning, the last one last."""
        return self._entries.get(prefix, ())

    def learn(self, prefixes: Sequence[int], endpoint_id: str) -> None:
        """An endpoint is sent these. What is new is news for the other routers."""
        for prefix in prefixes:
            if self._put(prefix, endpoint_id):
                self._news.append((prefix, endpoint_id))
        if len(self._news) > _NEWS_MOST:
            del self._news[: -_NEWS_MOST // 2]

    def hear(self, prefix: int, endpoint_id: str) -> None:
        """Another router has sent it."""
        self._put(prefix, endpoint_id)

    def take_news(self, most: int) -> list[tuple[int, str]]:
        """Return what the other routers have not been told, the oldest first; it counts as told then."""
        told, self._news = self._news[:most], self._news[most:]
        return told

    def _put(self, prefix: int, endpoint_id: str) -> bool:
        entries = self._entries
        owners = entries.get(prefix)
        if owners is None:
            entries[prefix] = (endpoint_id,)
            if len(entries) > self._most:
                entries.popitem(last=False)
            return True
        entries.move_to_end(prefix)
        if owners[-1] == endpoint_id:
            return False
        is_new = endpoint_id not in owners
        others = tuple(owner for owner in owners if owner != endpoint_id)
        entries[prefix] = (*others[1 - _OWNERS_MOST :], endpoint_id)
        return is_new

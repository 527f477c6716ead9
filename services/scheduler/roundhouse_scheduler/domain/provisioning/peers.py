"""From which other nodes a node copies a model's files: the nearest, and not the same ones for all.

The nodes that have them stand on a ring by a hash of their names, and whoever needs them takes those that follow its
own place. So copies spread over all that have the files, and one more of these changes little for the others.
"""

import bisect
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from roundhouse_common.contracts.provisioning import Peer

__all__ = ["MOST_PEERS", "Holder", "Ring"]

MOST_PEERS: Final = 5
_POINTS: Final = 4
"""Of each on the ring: the stretches between are more even."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A node that is heard, has the files whole and lets others copy them."""

    node_id: str
    region: str
    zone: str
    url: str
    token: str


_Places = Sequence[tuple[int, Holder]]


class Ring:
    """Those who have one model's files."""

    def __init__(self, key: str, holders: Iterable[Holder]) -> None:
        self._key = key
        points = [(self._hash(f"{item.node_id}/{point}"), item) for item in holders for point in range(_POINTS)]
        self._all: list[tuple[int, Holder]] = sorted(points, key=lambda entry: (entry[0], entry[1].node_id))
        self._by_zone: dict[tuple[str, str], list[tuple[int, Holder]]] = {}
        self._by_region: dict[str, list[tuple[int, Holder]]] = {}
        for entry in self._all:
            holder = entry[1]
            if holder.zone:
                self._by_zone.setdefault((holder.region, holder.zone), []).append(entry)
            if holder.region:
                self._by_region.setdefault(holder.region, []).append(entry)

    def peers(self, node_id: str, *, region: str, zone: str, most: int = MOST_PEERS) -> tuple[Peer, ...]:
        """Return whom a node copies from, the nearest first: of its zone, of its region, of anywhere."""
        chosen: dict[str, Holder] = {}
        for places in (self._by_zone.get((region, zone), ()), self._by_region.get(region, ()), self._all):
            if len(chosen) >= most:
                break
            self._take(places, node_id, chosen, most)
        return tuple(Peer(node_id=item.node_id, url=item.url, token=item.token) for item in chosen.values())

    def _take(self, places: _Places, node_id: str, chosen: dict[str, Holder], most: int) -> None:
        first = bisect.bisect_left(places, self._hash(node_id), key=lambda entry: entry[0])
        for offset in range(len(places)):
            if len(chosen) >= most:
                return
            holder = places[(first + offset) % len(places)][1]
            if holder.node_id != node_id:
                chosen.setdefault(holder.node_id, holder)

    def _hash(self, name: str) -> int:
        """Of a cryptographic hash: a checksum of names that differ in a digit puts them side by side."""
        return int.from_bytes(hashlib.blake2b(f"{self._key}/{name}".encode(), digest_size=8).digest())

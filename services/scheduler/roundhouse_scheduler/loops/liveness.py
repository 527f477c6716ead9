"""When each node was last heard, on a clock that never jumps, and how far our own hearing can be trusted."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from roundhouse_scheduler.domain.view import Silence

__all__ = ["Liveness"]


class Liveness:
    """Kept in memory only: a scheduler that has just started has heard nobody and must wait, not conclude.

    All times are monotonic seconds.
    """

    def __init__(self, *, stall_s: float = 5.0) -> None:
        self._stall_s = stall_s
        self._heard_at: dict[str, float] = {}  # in the order of the times
        self._unheard: set[str] = set()
        self._listening_since: float | None = None
        self._doubted_at: float = float("-inf")
        self._ticked_at: float | None = None

    @property
    def is_listening(self) -> bool:
        """Whether the bus is connected, as far as the last tick knew."""
        return self._listening_since is not None

    def tick(self, now: float, *, is_connected: bool) -> None:
        """Say several times a second whether the bus is connected.

        A long gap between ticks means that this process stood still (stopped, swapped out, a suspended laptop):
        messages may lie unread, so listening begins anew.
        """
        has_stalled = self._ticked_at is not None and now - self._ticked_at > self._stall_s
        self._ticked_at = now
        if not is_connected:
            self._listening_since = None
        elif self._listening_since is None or has_stalled:
            self._listening_since = now

    def heard(self, node_id: str, now: float) -> None:
        """A message of the node's present epoch came in."""
        self._heard_at.pop(node_id, None)
        self._heard_at[node_id] = now
        self._unheard.discard(node_id)

    def forget(self, node_id: str) -> None:
        """The node is new, or has a new epoch: what was heard before is another agent's."""
        self._heard_at.pop(node_id, None)
        self._unheard.add(node_id)

    def remove(self, node_id: str) -> None:
        """Nobody expects to hear the node any more."""
        self._heard_at.pop(node_id, None)
        self._unheard.discard(node_id)

    def listen_anew(self, now: float) -> None:
        """Count silence from now on: whoever decides from now on has not been listening."""
        if self._listening_since is not None:
            self._listening_since = now

    def doubt(self, now: float) -> None:
        """The brake holds: from now on everybody gets the whole grace again."""
        self._doubted_at = now

    def trusted_s(self, now: float) -> float:
        """Return how long our hearing has been beyond doubt."""
        return now - max(self._since(now), self._doubted_at)

    def silence(self, node_ids: Iterable[str], now: float) -> dict[str, Silence]:
        """Return how long each node has been silent."""
        since = self._since(now)
        return {node_id: self._silence(node_id, since, now) for node_id in node_ids}

    def look(self, now: float) -> Mapping[str, Silence]:
        """Return how long each node has been silent, worked out for those that somebody asks about."""
        return _Look(self, self._since(now), now)

    def contact_s(self, node_id: str, now: float) -> float | None:
        """Return how long ago the node was heard, None when it was not."""
        heard_at = self._heard_at.get(node_id)
        return None if heard_at is None else now - heard_at

    def quiet(self, now: float, lease_s: float) -> set[str]:
        """Return the nodes that have been silent for longer than the lease. Costs what they are, not what all are."""
        if now - self._since(now) <= lease_s:
            return set()
        found = set(self._unheard)
        for node_id, heard_at in self._heard_at.items():
            if now - heard_at <= lease_s:
                break
            found.add(node_id)
        return found

    def next_quiet_s(self, now: float, lease_s: float) -> float:
        """Return after how long, at the earliest, one more node may be silent for longer than the lease."""
        since = self._since(now)
        due = list(islice((at for at in self._heard_at.values() if now - at <= lease_s), 1))
        if self._unheard and now - since <= lease_s:
            due.append(since)
        return min((max(since, at) + lease_s - now for at in due), default=float("inf"))

    def _silence(self, node_id: str, since: float, now: float) -> Silence:
        heard_at = self._heard_at.get(node_id)
        contact_s = None if heard_at is None else now - heard_at
        return Silence(contact_s=contact_s, silent_s=now - max(since, heard_at or since))

    def _since(self, now: float) -> float:
        """Since when we listen: from now on while the tick that would notice a standstill is itself overdue."""
        is_overdue = self._ticked_at is not None and now - self._ticked_at > self._stall_s
        return now if self._listening_since is None or is_overdue else self._listening_since


class _Look(Mapping[str, Silence]):
    """What was asked for stays as it was at first, while messages come in."""

    def __init__(self, liveness: Liveness, since: float, now: float) -> None:
        self._liveness = liveness
        self._since = since
        self._now = now
        self._asked: dict[str, Silence] = {}

    def __getitem__(self, node_id: str) -> Silence:
        found = self._asked.get(node_id)
        if found is None:
            found = self._asked[node_id] = self._liveness._silence(node_id, self._since, self._now)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._asked)

    def __len__(self) -> int:
        return len(self._asked)

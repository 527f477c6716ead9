"""When each node was last heard, on a clock that never jumps, and how far our own hearing can be trusted."""

from collections.abc import Iterable

from roundhouse_scheduler.domain.view import Silence

__all__ = ["Liveness"]


class Liveness:
    """Kept in memory only: a scheduler that has just started has heard nobody and must wait, not conclude.

    All times are monotonic seconds.
    """

    def __init__(self, *, stall_s: float = 5.0) -> None:
        self._stall_s = stall_s
        self._heard_at: dict[str, float] = {}
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
        self._heard_at[node_id] = now

    def forget(self, node_id: str) -> None:
        """The node has a new epoch: what was heard before is another agent's."""
        self._heard_at.pop(node_id, None)

    def doubt(self, now: float) -> None:
        """The brake holds: from now on everybody gets the whole grace again."""
        self._doubted_at = now

    def trusted_s(self, now: float) -> float:
        """Return how long our hearing has been beyond doubt."""
        return now - max(self._since(now), self._doubted_at)

    def silence(self, node_ids: Iterable[str], now: float) -> dict[str, Silence]:
        """Return how long each node has been silent."""
        since = self._since(now)
        found: dict[str, Silence] = {}
        for node_id in node_ids:
            heard_at = self._heard_at.get(node_id)
            contact_s = None if heard_at is None else now - heard_at
            found[node_id] = Silence(contact_s=contact_s, silent_s=now - max(since, heard_at or since))
        return found

    def _since(self, now: float) -> float:
        """Since when we listen: from now on while the tick that would notice a standstill is itself overdue."""
        is_overdue = self._ticked_at is not None and now - self._ticked_at > self._stall_s
        return now if self._listening_since is None or is_overdue else self._listening_since

"""What tests and simulations do to the packets of one connection of the memory bus."""

import random
from collections.abc import Callable

__all__ = ["Faults"]


class Faults:
    """What may happen to packets of one connection, in either direction. All off by default; change at any time.

    A dropped signal or hint is gone. A dropped request, or its dropped answer, is a timeout for the caller; in the
    second case the server did what was asked. `is_partitioned` drops everything; after some seconds the client
    notices, as a real one does by unanswered pings, and it connects again when the partition is over.
    """

    def __init__(
        self,
        *,
        rng: random.Random | None = None,
        drop: float = 0.0,
        duplicate: float = 0.0,
        delay_s: tuple[float, float] = (0.0, 0.0),
        is_partitioned: bool = False,
    ) -> None:
        self.rng = rng or random.Random(0)
        self.drop = drop
        self.duplicate = duplicate
        self.delay_s = delay_s
        self._is_partitioned = is_partitioned
        self._callbacks: list[Callable[[], None]] = []

    @property
    def is_partitioned(self) -> bool:
        """Whether nothing comes through."""
        return self._is_partitioned

    @is_partitioned.setter
    def is_partitioned(self, value: bool) -> None:
        if value != self._is_partitioned:
            self._is_partitioned = value
            for callback in list(self._callbacks):
                callback()

    def on_partition(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back when a partition begins or ends; return what undoes that."""
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback) if callback in self._callbacks else None

    def drops(self) -> bool:
        """Return whether the next packet is lost."""
        return self._is_partitioned or (self.drop > 0 and self.rng.random() < self.drop)

    def copies(self) -> int:
        """Return how often the next packet arrives."""
        return 2 if self.duplicate > 0 and self.rng.random() < self.duplicate else 1

    def travel_s(self) -> float:
        """Return how long the next packet travels."""
        low, high = self.delay_s
        return self.rng.uniform(low, high) if high > 0 else 0.0

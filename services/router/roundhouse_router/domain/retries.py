"""A bound on retries over the whole router."""

__all__ = ["RetryBudget"]


class RetryBudget:
    """Bounds retries over the whole router, so that a sick fleet is not hit harder: Envoy's retry budget."""

    def __init__(self, *, share: float, at_least: int) -> None:
        self._share = share
        self._at_least = at_least
        self.in_flight = 0
        """Requests being served; the relay counts them."""
        self._retrying = 0

    def take(self) -> bool:
        """Return whether one more retry may start; give it back with `release`."""
        if self._retrying >= max(self._at_least, self._share * self.in_flight):
            return False
        self._retrying += 1
        return True

    def release(self) -> None:
        self._retrying -= 1

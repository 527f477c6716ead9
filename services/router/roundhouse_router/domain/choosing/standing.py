"""How endpoints stand: what each has to do. A standing outlives the tables that its endpoint is in."""

from collections.abc import Collection, Iterable, Iterator

from roundhouse_router.domain.health import Condition, HealthOptions

__all__ = ["Standing", "Standings"]

_LATENCY_SHARE = 0.2
"""Of the newest time in the moving average."""


class Standing:
    """One endpoint, or one provider, by replica id or provider id."""

    __slots__ = ("condition", "endpoint_id", "in_flight", "others", "ttft_s", "turn", "waiting", "waiting_at")

    def __init__(self, endpoint_id: str, options: HealthOptions) -> None:
        self.endpoint_id = endpoint_id
        self.condition = Condition(options)
        self.in_flight = 0
        """Requests of this router that it has now."""
        self.others = 0
        """Those of the other routers, as last told."""
        self.waiting = 0
        """Requests in the engine's own queue, as last told."""
        self.waiting_at = 0.0
        self.turn = 0
        """When it was chosen last: of equals the one whose turn is longest ago comes first."""
        self.ttft_s = -1.0
        """Moving average of the time to first token; negative while none is known."""

    def took(self, first_token_s: float) -> None:
        """Take a time to first token into the average."""
        known = self.ttft_s
        self.ttft_s = first_token_s if known < 0 else known + _LATENCY_SHARE * (first_token_s - known)


class Standings:
    """All of them, by id."""

    def __init__(self, options: HealthOptions) -> None:
        self._options = options
        self._known: dict[str, Standing] = {}
        self._told: dict[str, dict[str, int]] = {}

    def __iter__(self) -> Iterator[Standing]:
        return iter(self._known.values())

    def __len__(self) -> int:
        return len(self._known)

    def of(self, endpoint_id: str) -> Standing:
        """Return the standing of an endpoint or a provider; a new one knows what the other routers have there."""
        standing = self._known.get(endpoint_id)
        if standing is None:
            standing = self._known[endpoint_id] = Standing(endpoint_id, self._options)
            standing.others = sum(told.get(endpoint_id, 0) for told in self._told.values())
        return standing

    def get(self, endpoint_id: str) -> Standing | None:
        return self._known.get(endpoint_id)

    def others_have(self, router_id: str, in_flight: dict[str, int]) -> None:
        """Take in what another router has in flight, whole; nothing when it is gone."""
        before = self._told.get(router_id, {})
        for endpoint_id in before.keys() | in_flight.keys():
            standing = self._known.get(endpoint_id)
            if standing is not None:
                standing.others += in_flight.get(endpoint_id, 0) - before.get(endpoint_id, 0)
        if in_flight:
            self._told[router_id] = in_flight
        else:
            self._told.pop(router_id, None)

    def prune(self, known: Collection[str]) -> None:
        """Forget those that are in no table any more and have nothing to do."""
        gone = [name for name, standing in self._known.items() if name not in known and not standing.in_flight]
        for name in gone:
            del self._known[name]

    def forget_queues(self, before: float) -> None:
        """Take queues for empty that nobody has told of since then."""
        for standing in self._known.values():
            if standing.waiting and standing.waiting_at < before:
                standing.waiting = 0

    def waiting(self, told: Iterable[tuple[str, int]], now: float) -> None:
        """Take in the queues of engines, of those that are known."""
        for endpoint_id, count in told:
            standing = self._known.get(endpoint_id)
            if standing is not None:
                standing.waiting = count
                standing.waiting_at = now

"""What a name led to, and which of its targets come first for one request."""

import math
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Final

from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.routing import ApiKeyRecord, RouteRecord, RouteTarget, SplitBy
from roundhouse_common.routing import Sender, targets_for

__all__ = ["Draw", "RequestFacts", "Resolution"]

Draw = Callable[[], float]
"""Returns a number in [0, 1)."""

_NO_HEADERS: Final[Mapping[bytes, bytes]] = {}
_STEPS: Final = 1 << 64


class RequestFacts:
    """What of a request decides where it goes."""

    __slots__ = ("features", "headers", "key", "prompt", "user")

    def __init__(
        self,
        key: ApiKeyRecord,
        features: tuple[Feature, ...],
        headers: Mapping[bytes, bytes] = _NO_HEADERS,
        user: str = "",
        prompt: Callable[[], bytes] | None = None,
    ) -> None:
        self.key = key
        self.features = features
        """Endpoints of which an engine or a provider must have one: OpenAI's, and the client's own API where that is
        another one."""
        self.headers = headers
        """By name, in lower case."""
        self.user = user
        """The body's `user`."""
        self.prompt = prompt
        """What engines cache, from its beginning; asked for only where a strategy goes by it."""

    @property
    def user_id(self) -> str:
        """The body's `user`, else the key's."""
        return self.user or self.key.user_id


class Resolution:
    """Where a name leads for one key. It stays right while routes and key are the same objects; nothing changes it."""

    __slots__ = (
        "balancing",
        "is_bounded",
        "is_plain",
        "kept",
        "key",
        "model",
        "named",
        "route",
        "route_id",
        "targets",
    )

    def __init__(
        self, *, named: RouteRecord, route: RouteRecord, key: ApiKeyRecord, model: str, targets: tuple[RouteTarget, ...]
    ) -> None:
        self.named = named
        """The route that the client named, which may be an alias."""
        self.route = route
        """The route that is meant: its settings hold."""
        self.route_id = route.route_id
        self.balancing = route.balancing
        self.is_bounded = route.queue.max_waiting > 0
        """Its endpoints take no more than they may have; who finds no room waits."""
        self.key = key
        self.model = model
        """The name that the client sent."""
        self.targets = targets
        """Those that the key may use; `model` of a provider's is what the provider is sent."""
        self.is_plain = len(targets) == 1 and targets[0].match is None
        """There is one target, and it is for everybody."""
        self.kept: dict[tuple[object, ...], object] = {}
        """What requests that go this way find out once. It forgets itself with the resolution."""

    def matching(self, facts: RequestFacts) -> Sequence[RouteTarget]:
        """Return the targets that may answer this request, in no order."""
        return self.targets if self.is_plain else targets_for(self.targets, self._sender(facts))

    def order(self, facts: RequestFacts, draw: Draw) -> Sequence[RouteTarget]:
        """Return the targets for this request, the first to be tried first: by priority, and within one drawn by
        weight; those of weight 0 after the others. Empty when every target asks for a match and none is one."""
        if self.is_plain:
            return self.targets
        found = targets_for(self.targets, self._sender(facts))
        if len(found) < 2:
            return found
        places = {id(target): self._place(target, facts, draw) for target in found}
        return sorted(found, key=lambda target: (target.priority, places[id(target)]))

    def _sender(self, facts: RequestFacts) -> Sender:
        headers = {}
        for target in self.targets:
            if target.match is not None and target.match.header:
                value = facts.headers.get(target.match.header.encode())
                if value is not None:
                    headers[target.match.header] = value.decode("latin-1")
        return Sender(headers=headers, key_id=facts.key.key_id, user_id=facts.user_id)

    def _place(self, target: RouteTarget, facts: RequestFacts, draw: Draw) -> float:
        """Return where it stands among those of its priority. The lowest of exponential draws is a draw by weight,
        the next lowest a draw among the rest; and a weight that changes moves as few keys or users as can be."""
        if target.weight <= 0:
            return math.inf
        match self.route.split_by:
            case SplitBy.KEY:
                point = self._point(target, facts.key.key_id)
            case SplitBy.USER:
                point = self._point(target, facts.user_id)
            case _:
                point = 1.0 - draw()
        return -math.log(point) / target.weight

    def _point(self, target: RouteTarget, who: str) -> float:
        """Return a number in (0, 1] that is the same for the same one on every router."""
        named = "\0".join((self.route.route_id, who, target.deployment_id, target.provider_id, target.model))
        digest = blake2b(named.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return (int.from_bytes(digest, "big") + 1) / _STEPS

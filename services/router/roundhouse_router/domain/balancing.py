"""Which endpoint takes a request, and which one is tried next."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from roundhouse_common.contracts.routing import RouteTarget
from roundhouse_common.contracts.scheduler import DeploymentEndpoints, Endpoint, EndpointState
from roundhouse_common.contracts.usage import Operation
from roundhouse_router.domain.features import FEATURES, ROUTABLE, serves

__all__ = ["Balancer", "Candidate", "Resting", "RetryBudget", "RoundRobin", "pick_target"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An endpoint that may take the request, and the deployment it is of."""

    deployment: DeploymentEndpoints
    endpoint: Endpoint


class Balancer(Protocol):
    """A strategy. Later ones stand beside round robin."""

    def order(self, deployment: DeploymentEndpoints, operation: Operation, now: float) -> Sequence[Candidate]:
        """Return every endpoint that may take such a request now, best first. Empty when there is none."""


class Resting:
    """Endpoints whose last request failed before an answer: tried last for a while, never left out."""

    def __init__(self, rest_s: float) -> None:
        self._rest_s = rest_s
        self._until: dict[str, float] = {}

    def failed(self, replica_id: str, now: float) -> None:
        if len(self._until) > 1024:
            self._until = {replica: until for replica, until in self._until.items() if until > now}
        self._until[replica_id] = now + self._rest_s

    def succeeded(self, replica_id: str) -> None:
        if self._until:
            self._until.pop(replica_id, None)

    def is_resting(self, replica_id: str, now: float) -> bool:
        return bool(self._until) and self._until.get(replica_id, now) > now


class RoundRobin:
    """Ready endpoints in turn; then suspect ones; those that failed a moment ago after both."""

    def __init__(self, resting: Resting) -> None:
        self._resting = resting
        self._turns: dict[str, int] = {}

    def order(self, deployment: DeploymentEndpoints, operation: Operation, now: float) -> Sequence[Candidate]:
        feature = FEATURES[operation]
        usable = [one for one in deployment.endpoints if one.state in ROUTABLE and serves(one, feature)]
        if len(usable) > 1:
            turn = self._turns.get(deployment.deployment_id, 0)
            self._turns[deployment.deployment_id] = turn + 1
            start = turn % len(usable)
            usable = sorted(usable[start:] + usable[:start], key=lambda endpoint: self._rank(endpoint, now))
        return [Candidate(deployment, endpoint) for endpoint in usable]

    def _rank(self, endpoint: Endpoint, now: float) -> tuple[bool, bool]:
        return (self._resting.is_resting(endpoint.replica_id, now), endpoint.state is EndpointState.SUSPECT)


def pick_target(targets: Sequence[RouteTarget], draw: Callable[[], float]) -> list[RouteTarget]:
    """Return the targets with the one drawn by weight first. `draw` returns a number in [0, 1)."""
    if len(targets) == 1:
        return list(targets)
    point = draw() * sum(max(target.weight, 0) for target in targets)
    for position, target in enumerate(targets):
        point -= max(target.weight, 0)
        if point < 0:
            return [target, *targets[:position], *targets[position + 1 :]]
    return list(targets)


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

"""Where requests go, and what is learned from how they end."""

from dataclasses import dataclass, field
from typing import Final

from roundhouse_router.domain.cache_salts import CacheSalts
from roundhouse_router.domain.choosing.candidate import Candidate, Verdict
from roundhouse_router.domain.choosing.choice import Choice
from roundhouse_router.domain.choosing.picker import Picker
from roundhouse_router.domain.choosing.roster import Roster
from roundhouse_router.domain.errors import ModelNotFound
from roundhouse_router.domain.health import HealthOptions
from roundhouse_router.domain.tables import RoutingTable
from roundhouse_router.domain.targets import Draw, RequestFacts, Resolution

__all__ = ["Chooser", "ChoosingOptions"]

_OK: Final = Verdict.OK
_BUSY_REST_S: Final = 1.0
"""How long an endpoint rests that said 429 without `retry-after`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoosingOptions:
    """What an operator may set."""

    region: str = ""
    """Of this router; empty: no endpoint is nearer than another."""
    prefix_entries: int = 65_536
    """Beginnings of prompts that are remembered for each deployment, under 200 bytes each."""
    health: HealthOptions = field(default_factory=HealthOptions)


class Chooser:
    """Shared by all requests of a router. Not for several threads.

    `begin` and `Choice.next` count nothing: between `sent` and `ended` a request is in flight. `ended` must follow
    `sent` exactly once.
    """

    def __init__(self, options: ChoosingOptions, draw: Draw, salts: CacheSalts | None = None) -> None:
        """`salts`: None leaves the prompts of tenants together, in engines' caches and in the affinity to prefixes."""
        self.options = options
        self.roster = Roster(options.health, options.region)
        self.picker = Picker(options.prefix_entries, draw)
        self._draw = draw
        self._salts = salts

    def begin(self, table: RoutingTable, resolution: Resolution, facts: RequestFacts, now: float) -> Choice:
        """Return the way of one request. Raises ModelNotFound when each target asks for a match that it is not."""
        targets = resolution.targets if resolution.is_plain else resolution.order(facts, self._draw)
        if not targets:
            raise ModelNotFound(resolution.model)
        return Choice(self.roster, self.picker, table, resolution, facts, targets, self._salts)

    def sent(self, candidate: Candidate, now: float) -> None:
        """The candidate is asked now."""
        standing = candidate.standing
        standing.in_flight += 1
        candidate.sent_at = now
        if standing.condition.is_ejected:
            standing.condition.probes += 1
            candidate.is_probe = True
        if candidate.prefix:
            self.picker.learn(candidate)

    def ended(
        self,
        candidate: Candidate,
        verdict: Verdict,
        now: float,
        first_token_s: float | None = None,
        why: str = "",
        retry_after_s: float = 0.0,
    ) -> None:
        """The attempt is over. One that was answered tells how long its first token took, one that was refused as too
        many when to come again, one that failed `why`, in a word."""
        standing = candidate.standing
        standing.in_flight -= 1
        condition = standing.condition
        is_probe = candidate.is_probe
        if is_probe:
            candidate.is_probe = False
            condition.probes -= 1
        if verdict is _OK:
            condition.succeed(now, candidate.sent_at, is_probe)
            if first_token_s is not None:
                standing.took(first_token_s)
        elif verdict is Verdict.FAILED:
            if condition.fail(now, is_probe=is_probe, why=why) and self._may_eject(candidate):
                condition.eject(now)
        elif verdict is Verdict.BUSY:
            condition.leave_alone(now, retry_after_s if retry_after_s > 0 else _BUSY_REST_S)

    def is_full(self, table: RoutingTable, resolution: Resolution, facts: RequestFacts, now: float) -> bool:
        """Whether somebody could take the request, and each of them has as many in flight as it may have."""
        return self.begin(table, resolution, facts, now).is_full

    def prune(self, table: RoutingTable) -> None:
        """Forget what is in no table any more."""
        known = {endpoint.replica_id for one in table.deployments.values() for endpoint in one.endpoints}
        self.roster.prune(table.deployments, known | table.providers.keys())
        self.picker.prune(table.deployments, known)

    def _may_eject(self, candidate: Candidate) -> bool:
        """A provider always: it has no others beside it, and it is still asked when nothing else is left."""
        return candidate.deployment is None or self.roster.may_eject(candidate.deployment.deployment_id)

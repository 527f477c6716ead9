"""What to create and what to drain now, so that a deployment comes closer to what is wanted of it.

With W wanted replicas, at every moment and by our own doing (failures apart):
- of the replicas present at most W + max_surge are there, or W + 1 while some must leave a node or a device;
- at least W - max_unavailable stay available where versions change, W where replicas only change places.
Replicas that drain are not counted: they still hold their room, and their successors wait for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from roundhouse_common.contracts.catalog import RolloutStrategy
from roundhouse_common.contracts.scheduler import Reason
from roundhouse_scheduler.domain.records import Deployment, Replica
from roundhouse_scheduler.domain.rollout.census import Census
from roundhouse_scheduler.domain.rollout.picking import by_loss, pick_to_drain
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.domain.version_state import is_serving

__all__ = ["Moves", "next_moves", "surge_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """Replicas of the wanted version to create, and those to drain with the reason of each."""

    create: int = 0
    drain: tuple[tuple[Replica, Reason], ...] = ()


def surge_of(deployment: Deployment, census: Census) -> int:
    """Return how many replicas beyond the wanted number may be present. With neither surge nor unavailability allowed
    nothing could ever move, so then it is one, as it is while replicas must leave their place."""
    rollout = deployment.rollout
    needs_room = bool(census.leaving_reasons) or rollout.max_unavailable == 0
    return max(rollout.max_surge, 1 if needs_room else 0)


def next_moves(deployment: Deployment, census: Census, rules: Rules) -> Moves:
    """Return the next moves; none when all is as it should be, or when something must happen first."""
    if deployment.failed_version_id == deployment.version_id:
        return _halted(deployment, census)
    if deployment.is_paused:
        return _paused(deployment, census, rules)
    surplus = _surplus(census, census.current, deployment.wanted_replicas)
    current = [item for item in census.current if item not in surplus]
    drains = [(item, _scaling_reason(deployment)) for item in surplus]
    if deployment.rollout.strategy is RolloutStrategy.RECREATE and census.has_other_version_left:
        drains += [(item, Reason.VERSION_REPLACED) for item in census.old]
        return Moves(drain=tuple(drains))
    turnover = _Turnover(
        deployment=deployment, census=census, keepers=current, outdated=[*census.old, *census.leaving], rules=rules
    )
    turnover.let_go(turnover.outdated, floor=deployment.wanted_replicas)
    turnover.let_go(census.old, floor=deployment.wanted_replicas - deployment.rollout.max_unavailable)
    turnover.let_succeeded_go(census.leaving)
    return Moves(create=turnover.to_create(), drain=(*drains, *turnover.drains()))


def _halted(deployment: Deployment, census: Census) -> Moves:
    """The version failed: what of it is not available goes, everything else stays as it is until the catalog says
    which version is wanted."""
    failed = [*census.current, *census.leaving]
    drains = [(item, Reason.VERSION_FAILED) for item in failed if item.replica_id not in census.available]
    if deployment.wanted_replicas == 0:
        kept = [item for item in census.present if (item, Reason.VERSION_FAILED) not in drains]
        drains += [(item, _scaling_reason(deployment)) for item in kept]
    return Moves(drain=tuple(drains))


def _paused(deployment: Deployment, census: Census, rules: Rules) -> Moves:
    """Replicas of several versions stay beside one another; only their number is kept, and places are left."""
    keepers = [item for item in (*census.current, *census.old) if item.replica_id not in census.leaving_reasons]
    outdated = [item for item in census.present if item.replica_id in census.leaving_reasons]
    wanted = deployment.wanted_replicas
    in_between = surge_of(deployment, census) if census.old and census.current and wanted > 0 else 0
    surplus = _surplus(census, keepers, wanted + in_between)
    keepers = [item for item in keepers if item not in surplus]
    turnover = _Turnover(deployment=deployment, census=census, keepers=keepers, outdated=outdated, rules=rules)
    turnover.let_go(outdated, floor=wanted)
    turnover.let_succeeded_go(outdated)
    drains = [(item, _scaling_reason(deployment)) for item in surplus]
    return Moves(create=turnover.to_create(), drain=(*drains, *turnover.drains()))


def _surplus(census: Census, replicas: Sequence[Replica], wanted: int) -> list[Replica]:
    return pick_to_drain(replicas, len(replicas) - wanted, available=census.available)


def _scaling_reason(deployment: Deployment) -> Reason:
    is_ours = deployment.target_replicas is not None and deployment.target_reason is not Reason.UNKNOWN
    return deployment.target_reason if is_ours else Reason.SCALED_DOWN


@dataclass(slots=True, kw_only=True)
class _Turnover:
    """Outdated replicas go as keepers come."""

    deployment: Deployment
    census: Census
    keepers: Sequence[Replica]
    outdated: Sequence[Replica]
    rules: Rules
    gone: list[Replica] = field(default_factory=list)

    def let_go(self, candidates: Sequence[Replica], *, floor: int) -> None:
        """Let outdated replicas go as far as so many stay available."""
        for item in self._in_order(candidates):
            if not self._may_go(item, floor):
                return
            self.gone.append(item)

    def let_succeeded_go(self, candidates: Sequence[Replica]) -> None:
        """Let replicas leave their place for a younger one that is available, though others crash again and again and
        less than what is wanted is available anyway: these must not keep a node from being drained."""
        hopeless = sum(1 for item in self.keepers if self._is_hopeless(item))
        floor = self.deployment.wanted_replicas - hopeless
        for item in self._in_order(candidates):
            heirs = [row for row in self.keepers if row.created_at > item.created_at]
            if self.census.available_of(heirs) > 0 and self._may_go(item, floor):
                self.gone.append(item)

    def _in_order(self, candidates: Sequence[Replica]) -> list[Replica]:
        return by_loss([row for row in candidates if row not in self.gone], available=self.census.available)

    def _may_go(self, item: Replica, floor: int) -> bool:
        kept = self.census.available_of(self.keepers)
        others = [row for row in self.outdated if row not in self.gone and row is not item]
        if len(others) < floor - kept:
            return False  # one that does not serve now may serve again before its successor does
        if item.replica_id in self.census.available:
            return kept + self.census.available_of(others) >= floor
        return not is_serving(item) or kept + sum(1 for row in others if is_serving(row)) >= floor

    def to_create(self) -> int:
        """How many of the wanted version to make: what lacks, as far as there may be more."""
        wanted = self.deployment.wanted_replicas
        present = len(self.keepers) + len(self.outdated) - len(self.gone)
        room = wanted + surge_of(self.deployment, self.census) - present
        return max(0, min(wanted - len(self.keepers), room))

    def drains(self) -> list[tuple[Replica, Reason]]:
        """Return who goes, and why."""
        return [(item, self._reason(item)) for item in self.gone]

    def _reason(self, item: Replica) -> Reason:
        is_old = item.version_id != self.deployment.version_id and not self.deployment.is_paused
        leaves = self.census.leaving_reasons.get(item.replica_id, Reason.VERSION_REPLACED)
        return Reason.VERSION_REPLACED if is_old else leaves

    def _is_hopeless(self, item: Replica) -> bool:
        is_failing = item.is_spent or item.failures >= self.rules.error_after_failures
        return is_failing and item.replica_id not in self.census.available

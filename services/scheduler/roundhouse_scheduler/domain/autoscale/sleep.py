"""Sleeping deployments: when one is idle, what wakes it, and how."""

from roundhouse_common.contracts.scheduler import Desired, Phase, Reason
from roundhouse_scheduler.domain.autoscale.bounds import bounds_of
from roundhouse_scheduler.domain.plan import Draft
from roundhouse_scheduler.domain.records import Deployment, Replica

__all__ = [
    "GIVEN_UP_REASONS",
    "SLEEP_REASONS",
    "idle_since",
    "is_asleep",
    "put_to_sleep",
    "revive",
    "wake",
    "wants_awake",
]

GIVEN_UP_REASONS = frozenset({Reason.SWITCH_CANCELLED, Reason.NO_FEASIBLE_NODE})
"""Put back to sleep though requests may wait for it: only a new one wakes it again."""
SLEEP_REASONS = frozenset({Reason.IDLE, Reason.EVICTED}) | GIVEN_UP_REASONS
_REVIVABLE = frozenset({Phase.READY, Phase.DRAINING, Phase.UNKNOWN})


def is_asleep(deployment: Deployment) -> bool:
    """Return whether it was put to sleep: then only demand wakes it."""
    return deployment.target_replicas == 0 and deployment.target_reason in SLEEP_REASONS


def idle_since(draft: Draft, deployment: Deployment) -> float | None:
    """Return since when nobody has used it; None while somebody does or while it is still coming up.

    What is still starting has had no chance of being used. What cannot start or find a place is idle from when it was
    made: nobody who waits for it is there any more, or there would be demand.
    """
    demand = draft.demand_of(deployment.deployment_id)
    if demand.is_there:
        return None
    since = max(demand.last_used_at, deployment.last_used_at)
    for replica in draft.of(deployment.deployment_id):
        if not replica.is_wanted:
            continue
        if replica.phase in (Phase.ASSIGNED, Phase.FETCHING, Phase.STARTING):
            return None
        since = max(since, replica.ready_since if replica.ready_since is not None else replica.created_at)
    return since


def wants_awake(draft: Draft, deployment: Deployment) -> int:
    """Return how many requests wait for a sleeping deployment, if they are reason enough to wake it."""
    demand = draft.demand_of(deployment.deployment_id)
    is_given_up = deployment.target_reason in GIVEN_UP_REASONS
    return 0 if is_given_up and demand.started_at <= deployment.last_used_at else demand.held


def wake(draft: Draft, deployment: Deployment, *, detail: str) -> None:
    """Let it have replicas again: as many as its spec says, or the least that its scaling allows. Engines that are
    only on their way out stay instead."""
    key, autoscale = deployment.deployment_id, deployment.autoscale
    target = None if autoscale is None else bounds_of(autoscale, draft.now).clamp(0)
    draft.scale(key, target, reason=Reason.WOKEN, detail=detail)
    draft.edit_deployment(key, last_used_at=draft.now)
    revive(draft, draft.deployments[key], reason=Reason.WOKEN)


def put_to_sleep(draft: Draft, deployment: Deployment, *, reason: Reason, detail: str) -> None:
    """Want no replica of it until somebody asks for it."""
    draft.scale(deployment.deployment_id, 0, reason=reason, detail=detail)
    if reason in GIVEN_UP_REASONS:
        draft.edit_deployment(deployment.deployment_id, last_used_at=draft.now)


def revive(draft: Draft, deployment: Deployment, *, reason: Reason) -> None:
    """Want those again that drain only because it was to sleep, as many as it should have."""
    rows = draft.of(deployment.deployment_id)
    lacking = deployment.wanted_replicas - sum(1 for row in rows if row.is_wanted)
    for row in [row for row in rows if _may_stay(row, deployment)][: max(0, lacking)]:
        draft.want(row.replica_id, Desired.RUN, reason=reason)


def _may_stay(replica: Replica, deployment: Deployment) -> bool:
    return (
        not replica.gang_id
        and replica.desired is Desired.DRAIN
        and replica.desired_reason in SLEEP_REASONS
        and replica.phase in _REVIVABLE
        and replica.version_id == deployment.version_id
    )

"""How far a rollout is, in words that its user can act on."""

from collections.abc import Sequence
from dataclasses import dataclass

from roundhouse_common.contracts.catalog import RolloutStrategy
from roundhouse_common.contracts.scheduler import Phase, Reason
from roundhouse_scheduler.domain.records import Deployment, RejectionReason, Replica, VersionFailure
from roundhouse_scheduler.domain.rollout.census import available_at
from roundhouse_scheduler.domain.version_state import in_words, is_serving

__all__ = ["RolloutStatus", "rollout_status"]

_FOR_WANT_OF_ROOM = frozenset({RejectionReason.MEMORY, RejectionReason.DEVICES, RejectionReason.CPU})


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutStatus:
    """One version on its way to take over from another."""

    version_number: int
    from_version_number: int
    updated: int
    """Replicas of the new version that are there, ready or not."""
    available: int
    """Those of them that have been ready for as long as the rollout asks for."""
    wanted: int
    began_at: float
    why: str


def rollout_status(
    deployment: Deployment, replicas: Sequence[Replica], failure: VersionFailure | None, *, now: float
) -> RolloutStatus | None:
    """Return how far the rollout of a deployment is, or None when none is under way; `replicas` are its replicas that
    have not ended, `failure` is the new version's."""
    if deployment.rollout_began_at is None:
        return None
    rows = [item for item in replicas if item.phase is not Phase.LOST and item.gang_rank == 0]
    new = [item for item in rows if item.version_id == deployment.version_id and item.is_wanted]
    others = [item for item in rows if item.version_id != deployment.version_id]
    available = [item for item in new if (since := available_at(item, deployment.rollout)) is not None and since <= now]
    return RolloutStatus(
        version_number=deployment.version_number,
        from_version_number=deployment.rollout_from_number,
        updated=len(new),
        available=len(available),
        wanted=deployment.wanted_replicas,
        began_at=deployment.rollout_began_at,
        why=_why(deployment, others, available, [item for item in new if item not in available], failure),
    )


def _why(
    deployment: Deployment,
    others: Sequence[Replica],
    available: Sequence[Replica],
    waiting: Sequence[Replica],
    failure: VersionFailure | None,
) -> str:
    number, wanted = deployment.version_number, deployment.wanted_replicas
    if deployment.failed_version_id == deployment.version_id:
        cause = f": {failure.detail}" if failure is not None else ""
        serving = sum(1 for item in others if item.is_wanted and is_serving(item))
        return f"version {number} failed and is not rolled out further{cause}; {serving} older replicas go on serving"
    far = f"{len(available)} of {wanted} replicas run version {number}"
    if deployment.is_paused:
        return f"{far}; the rollout is paused"
    if wanted == 0:
        return f"version {number} is rolled out when replicas are wanted again"
    if deployment.rollout.strategy is RolloutStrategy.RECREATE and others and not waiting:
        return f"{far}; waiting for {len(others)} of other versions to stop (strategy recreate)"
    if waiting:
        first = _worst(waiting)
        return f"{far}; waiting for {len(waiting)} to become {_ready(first)}: {in_words(first)}{_advice(first, others)}"
    return f"{far}; {len(others)} of other versions are still stopping" if others else far


def _worst(waiting: Sequence[Replica]) -> Replica:
    return max(waiting, key=lambda item: (item.failures, item.phase is Phase.PENDING, item.replica_id))


def _ready(replica: Replica) -> str:
    return "available" if replica.phase is Phase.READY else "ready"


def _advice(replica: Replica, others: Sequence[Replica]) -> str:
    """Old replicas hold the room that a new one waits for: without help that lasts for ever."""
    if replica.reason is not Reason.NO_FEASIBLE_NODE:
        return ""
    full = {item.node_id for item in replica.rejections if item.reason in _FOR_WANT_OF_ROOM and not item.is_beyond}
    holders = [item for item in others if item.is_held and item.is_wanted and item.node_id in full]
    if not holders:
        return ""
    return (
        f". {len(holders)} replicas of older versions hold room on such nodes: set rollout.max_unavailable to 1 to let "
        "one go first, or rollout.strategy to recreate, or make room elsewhere"
    )

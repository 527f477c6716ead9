"""A node came back after its replicas were replaced: which of the two stays?"""

from roundhouse_common.contracts.scheduler import Desired, Phase, Reason
from roundhouse_scheduler.domain.plan import Draft
from roundhouse_scheduler.domain.records import Replica

__all__ = ["choose_survivor", "heir_of", "settle_survivors"]

_PROGRESS = {Phase.READY: 4, Phase.STARTING: 3, Phase.FETCHING: 2, Phase.ASSIGNED: 1}

_BACK = frozenset({Phase.READY, Phase.STARTING, Phase.FETCHING, Phase.ASSIGNED, Phase.FAILED})


def choose_survivor(returned: Replica, replacement: Replica) -> Replica:
    """Return the one that stays: whichever is further; at a tie the replacement, which takes requests already."""
    if _PROGRESS.get(returned.phase, 0) > _PROGRESS.get(replacement.phase, 0):
        return returned
    return replacement


def heir_of(replica: Replica, replacements: dict[str, Replica]) -> Replica | None:
    """Return who stands in for a lost replica, through replacements that were lost themselves; None when nobody."""
    heir = replacements.get(replica.replica_id)
    while heir is not None and heir.phase is Phase.LOST:
        heir = replacements.get(heir.replica_id)
    return heir


def settle_survivors(draft: Draft) -> None:
    """Let one of each pair go, with the reason SURVIVOR_ELSEWHERE."""
    for deployment in draft.focus_deployments():
        replicas = draft.of(deployment.deployment_id)
        if any(item.replaces for item in replicas):
            _settle(draft, deployment.deployment_id)


def _settle(draft: Draft, deployment_id: str) -> None:
    replacements = _replacements(draft, deployment_id)
    for replica in draft.of(deployment_id):
        if replica.replica_id not in replacements or not replica.is_wanted or replica.phase not in _BACK:
            continue
        heir = heir_of(replica, replacements)
        if heir is None or heir.replica_id == replica.replica_id:
            continue
        goes = replica if choose_survivor(replica, heir) is heir else heir
        draft.want(goes.replica_id, Desired.DRAIN, reason=Reason.SURVIVOR_ELSEWHERE)
        draft.edit(heir.replica_id, replaces="")
        replacements = _replacements(draft, deployment_id)


def _replacements(draft: Draft, deployment_id: str) -> dict[str, Replica]:
    return {item.replaces: item for item in draft.of(deployment_id) if item.replaces and item.is_wanted}

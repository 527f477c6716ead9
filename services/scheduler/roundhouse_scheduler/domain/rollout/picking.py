"""Which of several replicas go."""

from collections import Counter
from collections.abc import Collection, Sequence

from roundhouse_common.contracts.scheduler import Phase
from roundhouse_scheduler.domain.records import Replica
from roundhouse_scheduler.domain.version_state import is_serving

__all__ = ["by_loss", "pick_to_drain"]


def pick_to_drain(
    candidates: Sequence[Replica], count: int, *, available: Collection[str] | None = None
) -> list[Replica]:
    """Return which replicas go."""
    return by_loss(candidates, available=available)[:count] if count > 0 else []


def by_loss(candidates: Sequence[Replica], *, available: Collection[str] | None = None) -> list[Replica]:
    """Return the replicas in the order in which they are missed least: those that hold nothing, those that do not
    serve, those not available yet, then from the node with most of them, then the newest.

    `available` are the ids of those that count as available; None: those that are READY.
    """
    if available is None:
        available = {item.replica_id for item in candidates if item.phase is Phase.READY}
    left = sorted(candidates, key=lambda item: (item.created_at, item.replica_id))
    ordered: list[Replica] = []
    while left:
        per_node = Counter(item.node_id for item in left)
        goes = max(
            left,
            key=lambda item: (
                not is_serving(item),
                not item.is_held,
                item.replica_id not in available,
                item.phase is not Phase.READY,
                per_node[item.node_id],
                item.created_at,
                item.replica_id,
            ),
        )
        left.remove(goes)
        ordered.append(goes)
    return ordered

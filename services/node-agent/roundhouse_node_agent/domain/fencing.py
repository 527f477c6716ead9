"""Which engines a node that is cut off must stop by itself."""

from collections.abc import Iterable

from roundhouse_node_agent.domain.replica import Replica

__all__ = ["fenced"]


def fenced(replicas: Iterable[Replica], silent_s: float) -> tuple[str, ...]:
    """Return the replicas whose fence is due after the scheduler was silent so long. A fence of 0 is none."""
    return tuple(
        replica.replica_id
        for replica in replicas
        if replica.is_active and not replica.is_stopping and 0 < replica.assignment.fence_after_s <= silent_s
    )

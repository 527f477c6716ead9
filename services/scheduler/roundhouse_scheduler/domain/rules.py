"""The numbers that decisions depend on. Settings fill them; tests and the simulation pass their own."""

from dataclasses import dataclass
from typing import Final

from roundhouse_scheduler.domain.records import Deployment, Replica

__all__ = ["GANG_FENCE_S", "Rules", "grace_s"]

GANG_FENCE_S: Final = 300.0
"""A member of a gang ends itself when its node has not heard the scheduler for so long. Long, since an outage of the
control plane must not end what it serves; bounded, since a gang with a dead node can only start anew when no member of
its last epoch can run any more (docs/decisions/0065)."""


def grace_s(replica: Replica, deployment: Deployment) -> float:
    """Return how long past its lease a node may be silent before this replica of it is given up."""
    if replica.gang_id:
        return max(deployment.disconnect_grace_s, GANG_FENCE_S)
    return deployment.disconnect_grace_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Times in seconds. docs/decisions explains the brake."""

    heartbeat_interval_s: float = 3.0
    lease_s: float = 15.0
    second_look_s: float = 3.0
    """The least time between the two looks before anything is given up."""
    adoption_grace_s: float = 60.0
    """How long an engine runs on whose deployment the specs do not have, once they are known."""
    node_grace_s: float = 60.0
    """How long past its lease a node without replicas stays LATE before it is called UNREACHABLE."""
    brake_share: float = 0.2
    brake_floor: int = 1
    """The brake holds when more than max(brake_floor, brake_share of the nodes) are silent together."""
    brake_window_s: float = 600.0
    """A node given up this recently still counts as silent: a fleet must not be evicted slice by slice."""
    backoff_first_s: float = 1.0
    backoff_max_s: float = 60.0
    forget_failures_after_s: float = 300.0
    """So long ready, and earlier failures are forgotten."""
    unresponsive_patience_s: float = 30.0
    """How long an engine that lives but does not answer is left alone: busy is not dead."""
    refusal_s: float = 60.0
    """How long a node that refused a replica is not asked again."""
    relocate_after_failures: int = 3
    """So many failures in a row on one node, and another one is tried first."""
    relocation_s: float = 600.0
    """How long the node where it failed is asked last."""
    error_after_failures: int = 3
    """So many failures in a row and nothing ready: the deployment is shown as Error."""
    evict_idle_s: float = 5.0
    """A deployment makes room for another only after it was ready and unused for so long."""

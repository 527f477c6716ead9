"""What the edge sees of the scheduler."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from roundhouse_common.bus.api import Bus
from roundhouse_common.contracts.node import ReplicaLoad
from roundhouse_common.contracts.provisioning import NodeStore, TransferProgress
from roundhouse_common.database import Database
from roundhouse_common.http.idempotency import Idempotency
from roundhouse_common.runtime import Clock, Ids
from roundhouse_scheduler.domain.rules import Rules

__all__ = ["Scheduler"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduler:
    """Handed to the routes by the composition root."""

    db: Database
    bus: Bus
    rules: Rules
    load_of: Callable[[str, str], ReplicaLoad | None]
    """The last load sample of a replica on a node."""
    wake: Callable[[], None]
    """Let the planner look now."""
    stores: Mapping[str, NodeStore]
    """What each node keeps, as it reported last."""
    live: Callable[[str, str], TransferProgress | None]
    """How far a node is with a key of files, as it said a moment ago."""
    wake_orders: Callable[[], None]
    """Let nodes be told of orders now."""
    idempotency: Idempotency
    clock: Clock
    ids: Ids
    log_timeout_s: float = 5.0
    clean_timeout_s: float = 60.0
    """Deleting hundreds of gigabytes takes a while."""
    follow_every_s: float = 0.3

"""What the edge sees of the scheduler."""

from collections.abc import Callable
from dataclasses import dataclass

from roundhouse_common.bus.api import Bus
from roundhouse_common.contracts.node import ReplicaLoad
from roundhouse_common.database import Database
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
    clock: Clock
    ids: Ids
    log_timeout_s: float = 5.0
    follow_every_s: float = 0.3

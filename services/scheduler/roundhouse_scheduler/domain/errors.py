"""Errors of the scheduler.

RoundhouseError
├── Conflict
│   ├── EpochSuperseded     a newer agent has registered for this node
│   └── StaleView           a row changed between the look and the commit; look again
├── NotFound
│   ├── UnknownNode
│   ├── UnknownReplica
│   ├── UnknownDeployment
│   ├── UnknownSwitch
│   └── UnknownLetter
└── IllegalTransition       a bug: an event that the table does not have for this phase
"""

from roundhouse_common.contracts.scheduler import Phase
from roundhouse_common.errors import Conflict, NotFound, RoundhouseError

__all__ = [
    "EpochSuperseded",
    "IllegalTransition",
    "NodeIsHeard",
    "StaleView",
    "UnknownDeployment",
    "UnknownNode",
    "UnknownReplica",
    "UnknownSwitch",
]


class EpochSuperseded(Conflict):
    """The asker's epoch is not the one now valid. It must not touch engines and should exit."""

    code = "epoch_superseded"

    def __init__(self, node_id: str, *, given: int, current: int) -> None:
        super().__init__(
            f"epoch {given} of node {node_id} is superseded: the epoch now valid is {current}, "
            "because another agent has registered for this node"
        )
        self.node_id = node_id
        self.current = current


class StaleView(Conflict):
    """A row that a plan touches was changed by someone else; nothing of the plan was written."""

    code = "stale_view"
    retryable = True

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} changed while the plan was made; nothing was written, look again")


class NodeIsHeard(Conflict):
    code = "node_is_heard"

    def __init__(self, node_id: str) -> None:
        super().__init__(f"node {node_id} is heard, so it is not dead; stop its agent first, or drain what runs on it")


class UnknownNode(NotFound):
    def __init__(self, node_id: str) -> None:
        super().__init__(f"there is no node {node_id}; `GET /api/v1/nodes` lists them")


class UnknownReplica(NotFound):
    def __init__(self, replica_id: str) -> None:
        super().__init__(f"there is no replica {replica_id}; `GET /api/v1/replicas?ended=true` lists them")


class UnknownDeployment(NotFound):
    def __init__(self, deployment_id: str) -> None:
        super().__init__(f"the scheduler knows no deployment {deployment_id}")


class UnknownSwitch(NotFound):
    def __init__(self, switch_id: str) -> None:
        super().__init__(f"there is no switch {switch_id}; `GET /api/v1/switches` lists them")


class IllegalTransition(RoundhouseError):
    code = "illegal_transition"

    def __init__(self, replica_id: str, phase: Phase, event: str) -> None:
        super().__init__(f"replica {replica_id} is {phase.value}: the event {event} means nothing there")

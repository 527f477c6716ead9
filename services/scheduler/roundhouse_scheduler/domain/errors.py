"""Errors of the scheduler.

RoundhouseError
├── Conflict
│   ├── EpochSuperseded     a newer agent has registered for this node
│   ├── NodeIdTaken         a node that joins wants the id of another
│   ├── NodeKeyRevoked      a node that joins brings a key that was taken back
│   ├── NodeIsRemoved       an order to a node that was removed
│   ├── NodeHoldsReplicas   a node that is to be removed still runs something
│   ├── NodeRemoved         an administrator removed the node; it may join again with a new token
│   ├── TermSuperseded      another scheduler leads now
│   ├── NotLeading          only the leader does that; ask it
│   ├── DeploymentIsStopped a switch to a deployment that is not to run
│   ├── AlreadyOrdered      a node has an order for the same engine or files already
│   ├── OrderIsEnding       an order that was taken back can only end
│   └── StaleView           a row changed between the look and the commit; look again
├── NotFound
│   ├── UnknownNode
│   ├── UnknownDevice
│   ├── UnknownReplica
│   ├── UnknownDeployment
│   ├── UnknownSwitch
│   ├── UnknownJoinToken
│   ├── UnknownEngineOrder
│   ├── UnknownFileOrder
│   └── UnknownLetter
├── Forbidden
│   └── JoinTokenRefused    unknown, used, expired or revoked
├── Unavailable
│   ├── JoiningUnavailable  nothing to sign credentials with
│   ├── LogUnavailable      the node that has the log does not answer
│   ├── NodeUnavailable     a node that is asked does not answer
│   └── TooManyAttempts     wrong tokens from the same address
└── IllegalTransition       a bug: an event that the table does not have for this phase
"""

from collections.abc import Mapping, Sequence

from roundhouse_common.contracts.scheduler import Phase
from roundhouse_common.errors import Conflict, Forbidden, NotFound, RoundhouseError, Unavailable

__all__ = [
    "AlreadyOrdered",
    "DeploymentIsStopped",
    "EpochSuperseded",
    "IllegalTransition",
    "JoinTokenRefused",
    "JoiningUnavailable",
    "LogUnavailable",
    "NodeHoldsReplicas",
    "NodeIdTaken",
    "NodeIsHeard",
    "NodeIsRemoved",
    "NodeKeyRevoked",
    "NodeRemoved",
    "NodeUnavailable",
    "NotLeading",
    "OrderIsEnding",
    "StaleView",
    "TermSuperseded",
    "TooManyAttempts",
    "UnknownDeployment",
    "UnknownDevice",
    "UnknownEngineOrder",
    "UnknownFileOrder",
    "UnknownJoinToken",
    "UnknownNode",
    "UnknownReplica",
    "UnknownSwitch",
]

_FEW = 5


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


class TermSuperseded(Conflict):
    """This scheduler does not lead any more; nothing was written."""

    code = "term_superseded"

    def __init__(self, *, term: int, current: int, holder: str) -> None:
        super().__init__(
            f"term {term} is over: {holder or 'nobody'} leads in term {current}; nothing was written, stand by"
        )


class NotLeading(Conflict):
    code = "not_leading"
    retryable = True

    def __init__(self, holder: str) -> None:
        super().__init__(f"this scheduler is a standby; ask the one that leads: {holder or 'none yet, try again'}")


class NodeIsHeard(Conflict):
    code = "node_is_heard"

    def __init__(self, node_id: str) -> None:
        super().__init__(f"node {node_id} is heard, so it is not dead; stop its agent first, or drain what runs on it")


class NodeIsRemoved(Conflict):
    code = "node_removed"

    def __init__(self, node_id: str) -> None:
        super().__init__(f"node {node_id} was removed; it comes back only by joining again with a new token")


class NodeHoldsReplicas(Conflict):
    code = "node_holds_replicas"

    def __init__(self, node_id: str, left: Mapping[str, int], *, is_silent: bool) -> None:
        what = ", ".join(f"{count} of {name}" for name, count in sorted(left.items()))
        do = (
            f"if it is dead say so first (`POST /api/v1/nodes/{node_id}:give-up`): they are then replaced elsewhere"
            if is_silent
            else f"drain it first (`POST /api/v1/nodes/{node_id}:drain`)"
        )
        super().__init__(f"node {node_id} still holds {what}; {do}")


class UnknownDevice(NotFound):
    def __init__(self, node_id: str, device_uuid: str, known: Sequence[str]) -> None:
        has = ", ".join(known) or "none"
        super().__init__(f"node {node_id} has no device {device_uuid}; its devices are: {has}")


class UnknownNode(NotFound):
    def __init__(self, node_id: str) -> None:
        super().__init__(f"there is no node {node_id}; `GET /api/v1/nodes` lists them")


class UnknownReplica(NotFound):
    def __init__(self, replica_id: str) -> None:
        super().__init__(f"there is no replica {replica_id}; `GET /api/v1/replicas?ended=true` lists them")


class UnknownDeployment(NotFound):
    def __init__(self, deployment_id: str) -> None:
        super().__init__(f"the scheduler knows no deployment {deployment_id}")


class DeploymentIsStopped(Conflict):
    code = "deployment_is_stopped"

    def __init__(self, name: str) -> None:
        super().__init__(f"the deployment {name} is stopped; start it, and switch to it then")


class UnknownSwitch(NotFound):
    def __init__(self, switch_id: str) -> None:
        super().__init__(f"there is no switch {switch_id}; `GET /api/v1/switches` lists them")


class IllegalTransition(RoundhouseError):
    code = "illegal_transition"

    def __init__(self, replica_id: str, phase: Phase, event: str) -> None:
        super().__init__(f"replica {replica_id} is {phase.value}: the event {event} means nothing there")


class NodeRemoved(Conflict):
    """The agent must end; its engines are untouched."""

    code = "node_removed"

    def __init__(self, node_id: str) -> None:
        super().__init__(
            f"node {node_id} was removed by an administrator; to come back it joins again with a new token:"
            " `roundhouse nodes join-token` on the platform, `roundhouse node join` on its host"
        )


class NodeIdTaken(Conflict):
    code = "node_id_taken"

    def __init__(self, node_id: str, *, is_silent: bool) -> None:
        do = (
            f"remove it with `roundhouse nodes rm {node_id}`, or make a token with --node-id {node_id}"
            if is_silent
            else "choose another id, or leave it out"
        )
        super().__init__(f"there is a node {node_id} with another key; {do}")


class NodeKeyRevoked(Conflict):
    code = "node_key_revoked"

    def __init__(self, node_id: str) -> None:
        super().__init__(f"this key was of node {node_id} and gets no credentials any more; make a new one")


class JoinTokenRefused(Forbidden):
    code = "join_token_refused"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}; `roundhouse nodes join-token` makes another")


class JoiningUnavailable(Unavailable):
    code = "joining_unavailable"

    def __init__(self) -> None:
        super().__init__(
            "this scheduler has nothing to sign credentials of nodes with:"
            " set ROUNDHOUSE_SCHEDULER_NATS_AUTHORITY_FILE (`roundhouse up` does)"
        )


class TooManyAttempts(Unavailable):
    code = "too_many_attempts"
    status = 429

    def __init__(self, *, wait_s: float) -> None:
        super().__init__(f"too many wrong join tokens came from this address; try again in {wait_s:.0f} s")


class UnknownJoinToken(NotFound):
    def __init__(self, token_id: str) -> None:
        super().__init__(f"there is no join token {token_id}; `GET /api/v1/join-tokens` lists them")


class LogUnavailable(Unavailable):
    """A log is where its engine ran, and nowhere else."""

    code = "log_unavailable"

    def __init__(self, replica_id: str, node_id: str) -> None:
        super().__init__(
            f"node {node_id} does not answer, so the log of {replica_id} that it keeps cannot be read now. Ask again "
            f"when the node is back; the last lines of a failed engine are in GET /api/v1/replicas/{replica_id}"
        )
        self.replica_id = replica_id
        self.node_id = node_id


class AlreadyOrdered(Conflict):
    code = "already_ordered"

    def __init__(self, what: str, order_id: str, node_ids: Sequence[str]) -> None:
        shown = ", ".join(node_ids[:_FEW]) + (f" and {len(node_ids) - _FEW} more" if len(node_ids) > _FEW else "")
        super().__init__(
            f"{what} is ordered already for {shown} by {order_id}; retry or delete that order, or name other nodes"
        )
        self.order_id = order_id


class OrderIsEnding(Conflict):
    code = "order_is_ending"

    def __init__(self, what: str, order_id: str) -> None:
        super().__init__(
            f"{order_id} was taken back, and ends when its nodes have done with {what}; order it anew to have it again"
        )


class UnknownEngineOrder(NotFound):
    def __init__(self, order_id: str) -> None:
        super().__init__(f"there is no engine order {order_id}; `GET /api/v1/engine-orders` lists them")


class UnknownFileOrder(NotFound):
    def __init__(self, order_id: str) -> None:
        super().__init__(f"there is no file order {order_id}; `GET /api/v1/file-orders` lists them")


class NodeUnavailable(Unavailable):
    """Only the node itself can answer."""

    code = "node_unavailable"

    def __init__(self, node_id: str, what: str) -> None:
        super().__init__(f"node {node_id} does not answer, so {what} now; ask again when the node is back")
        self.node_id = node_id

"""Errors of the node agent.

RoundhouseError
├── ModelUnavailable     404  the model's files are not on this node
├── EngineUnavailable    503  the engine is not on this node, and could not be installed
├── LaunchFailed         503  the engine could not even be started; a reason and a diagnosis
├── EpochSuperseded      409  a newer agent has registered for this node; this one must leave
├── NodeRemoved          409  an administrator removed this node; its agent must leave
└── StateDirUnusable     503  the state directory cannot be written, or another agent holds it
"""

from roundhouse_common.contracts.scheduler import Reason
from roundhouse_common.errors import Conflict, NotFound, Unavailable

__all__ = [
    "EngineUnavailable",
    "EpochSuperseded",
    "LaunchFailed",
    "ModelUnavailable",
    "NodeRemoved",
    "StateDirUnusable",
]


class ModelUnavailable(NotFound):
    """The model's files are not on this node. The text says where they were looked for."""

    code = "model_unavailable"


class EngineUnavailable(Unavailable):
    """The engine is not on this node and could not be installed. The text ends with the decisive lines of its log."""

    code = "engine_unavailable"

    def __init__(self, message: str, lines: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.lines = lines


class LaunchFailed(Unavailable):
    """The engine could not even be started."""

    code = "launch_failed"
    retryable = False

    def __init__(self, message: str, reason: Reason = Reason.START_FAILED) -> None:
        super().__init__(message)
        self.reason = reason


class EpochSuperseded(Conflict):
    """A newer agent has registered for this node. Whoever sees this leaves without touching the engines."""

    code = "epoch_superseded"


class NodeRemoved(Conflict):
    """An administrator removed this node. Whoever sees this leaves without touching the engines."""

    code = "node_removed"


class StateDirUnusable(Unavailable):
    """The state directory cannot be written, or another agent holds it."""

    code = "state_dir_unusable"
    retryable = False

"""What an engine would be started with, before anybody starts it."""

from roundhouse_common.contracts.base import Message
from roundhouse_common.contracts.catalog import VersionSpec
from roundhouse_common.contracts.scheduler import GangMembership

__all__ = ["CommandRendered", "RenderCommand"]


class RenderCommand(Message, frozen=True, kw_only=True):
    """Ask a node how it would start an engine of this version. Nothing is started, fetched or installed."""

    deployment_name: str
    version: VersionSpec
    """Of one placed by an alternative: with that one's resources and parameters for its own."""
    device_uuids: tuple[str, ...] = ()
    gang: GangMembership | None = None


class CommandRendered(Message, frozen=True, kw_only=True):
    """The command as the node's own driver renders it. What a start chooses anew is told by examples: `port`; and by
    words in capitals: `REPLICA` for the replica's id, `MODEL_FILES` and `ENGINE` for what is not on the node yet."""

    argv: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    """Secrets are masked: of keys, tokens and passwords only the names are told."""
    files: dict[str, str] = {}
    """Contents by path: what is written for the engine before its start."""
    runs_in: str = ""
    """Where the engine was found, in words."""
    engine_version: str = ""
    """Empty when it does not state one, or is yet to be installed."""
    port: int = 0
    has_files: bool = False
    """Whether the model's files are on the node."""
    has_engine: bool = False
    error: str = ""
    """Why there is no command: it could not be started there."""

"""What nodes keep ready: installed engines and model files. The scheduler orders, each node tells what it has."""

from roundhouse_common.contracts.base import Message, OpenEnum
from roundhouse_common.contracts.catalog import EngineKind, ModelSource

__all__ = [
    "CleanStore",
    "EngineEnvironment",
    "EngineOrder",
    "EnvironmentState",
    "FileOrder",
    "FileWish",
    "FilesState",
    "InstallMethod",
    "NodeOrders",
    "NodeStore",
    "Peer",
    "StoreCleaned",
    "StoredModel",
    "TransferProgress",
]


class InstallMethod(OpenEnum):
    """How a node comes by an engine."""

    UNKNOWN = "unknown"
    ENVIRONMENT = "environment"
    """A Python environment of its own, built by the node from pinned packages."""
    PATH = "path"
    """An environment or a program that is on the node already."""
    IMAGE = "image"
    """A container image, run by Docker or Podman."""


class EngineOrder(Message, frozen=True, kw_only=True):
    """One engine that a node should have, or should have no more."""

    order_id: str
    engine: EngineKind
    version: str = ""
    """Empty: the newest one the node knows a recipe for."""
    variant: str = ""
    """What it is built for, e.g. `cpu` or `cuda`; empty: what fits the node's devices."""
    method: InstallMethod = InstallMethod.ENVIRONMENT
    path: str = ""
    """For PATH: the environment's directory, its interpreter, or the program."""
    image: str = ""
    """For IMAGE, e.g. `docker.io/vllm/vllm-openai:v0.32.0`."""
    is_removed: bool = False
    attempt: int = 1
    """Grows when somebody asks for it again: a node tries each attempt once."""


class EnvironmentState(OpenEnum):
    UNKNOWN = "unknown"
    WAITING = "waiting"
    """Another installation goes first."""
    INSTALLING = "installing"
    VERIFYING = "verifying"
    """The engine is asked for its version."""
    READY = "ready"
    FAILED = "failed"
    REMOVING = "removing"
    """It goes as soon as no replica runs in it."""


class EngineEnvironment(Message, frozen=True, kw_only=True):
    """One engine on one node: installed by an order, or found there."""

    environment_id: str
    """Unique on the node, e.g. `vllm-0.32.0-cpu`. Its log is read by this name."""
    engine: str
    """A value of EngineKind."""
    version: str = ""
    """As the engine states it; as ordered until it was asked."""
    variant: str = ""
    method: InstallMethod
    state: EnvironmentState
    order_id: str = ""
    """Empty for one that was found."""
    attempt: int = 0
    """Of the order."""
    origin: str = ""
    """Where it is, or comes from, in words."""
    step: str = ""
    """What is being done now, e.g. `installing 151 packages`."""
    detail: str = ""
    """Why it failed, and what to do."""
    size_bytes: int = 0
    since: float
    """Unix seconds at which the state began."""
    log_tail: tuple[str, ...] = ()
    """The decisive last lines of a failed installation."""


class FileWish(OpenEnum):
    """What is wanted of a model's files."""

    UNKNOWN = "unknown"
    FETCH = "fetch"
    PAUSE = "pause"
    """Stop fetching and keep what is there."""
    CANCEL = "cancel"
    """Stop fetching and drop what is not whole; files that are whole stay."""
    REMOVE = "remove"
    """Delete them as soon as no replica uses them."""


class Peer(Message, frozen=True, kw_only=True):
    """Another node that has the same files whole."""

    node_id: str
    url: str
    """Of its file server, without a trailing slash."""
    token: str


class FileOrder(Message, frozen=True, kw_only=True):
    """The files of one source on one node."""

    order_id: str
    """Empty: nobody ordered them, a replica needs them; then only `peers` counts."""
    name: str
    """Of the model, for people."""
    source: ModelSource
    wish: FileWish = FileWish.FETCH
    peers: tuple[Peer, ...] = ()
    attempt: int = 1
    """Grows when somebody asks for it again: a failed one is tried anew."""


class NodeOrders(Message, frozen=True, kw_only=True):
    """What one node should keep ready, whole. Bucket `orders`, key: node id. What is not listed is left as it is."""

    node_id: str
    revision: int
    """Grows with every change for this node."""
    engines: tuple[EngineOrder, ...] = ()
    files: tuple[FileOrder, ...] = ()


class FilesState(OpenEnum):
    UNKNOWN = "unknown"
    WAITING = "waiting"
    """Other transfers go first."""
    FETCHING = "fetching"
    PAUSED = "paused"
    READY = "ready"
    FAILED = "failed"


class StoredModel(Message, frozen=True, kw_only=True):
    """One model's files on one node."""

    key: str
    """`source_key` of the source."""
    name: str
    source: ModelSource
    state: FilesState
    order_id: str = ""
    attempt: int = 0
    """Of the order."""
    revision: str = ""
    """The commit that was fetched."""
    total_bytes: int = 0
    stored_bytes: int = 0
    file_count: int = 0
    detail: str = ""
    """Why it failed or waits, and what to do."""
    since: float
    """Unix seconds at which the state began."""
    used_at: float = 0.0
    """Unix seconds at which a replica last had them; 0: never."""
    is_in_use: bool = False
    """A replica has them, or an order wants them: they are not cleaned up."""
    is_adopted: bool = False
    """They were on the disk already, outside the node's store, and are not copied."""
    path: str = ""


class NodeStore(Message, frozen=True, kw_only=True):
    """What one node keeps, whole. Bucket `stores`, key: node id."""

    node_id: str
    incarnation: str
    sequence: int
    """Grows with every change within an incarnation."""
    at: float
    orders_revision: int = 0
    """Of the NodeOrders it has taken in."""
    disk_total_bytes: int = 0
    disk_free_bytes: int = 0
    """Of the file system that the files are kept on."""
    engines: tuple[EngineEnvironment, ...] = ()
    models: tuple[StoredModel, ...] = ()
    files_url: str = ""
    """Where other nodes copy from; empty: this node does not offer it."""
    files_token: str = ""


class TransferProgress(Message, frozen=True, kw_only=True):
    """How far a node is with one model's files. A lost one costs nothing: the next one says more."""

    node_id: str
    key: str
    stored_bytes: int
    total_bytes: int
    """0 while not known."""
    rate_bytes_s: float
    left_s: float = -1.0
    """Until it is whole, at this rate; -1: cannot be told."""
    origin: str = ""
    """Where it comes from at the moment, in words: a host name or a node."""


class CleanStore(Message, frozen=True, kw_only=True):
    """Delete model files that nothing uses and that nobody used for a while."""

    unused_for_s: float = 0.0
    keys: tuple[str, ...] = ()
    """Only these; empty: all that nothing uses."""
    is_dry_run: bool = True


class StoreCleaned(Message, frozen=True, kw_only=True):
    """What was deleted, or in a dry run would be."""

    models: tuple[StoredModel, ...] = ()
    freed_bytes: int = 0
    error: str = ""

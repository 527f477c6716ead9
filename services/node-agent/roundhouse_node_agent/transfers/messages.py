"""What the agent and the child process that fetches tell each other: one JSON line each.

The order goes to the child's standard input, which then stays open for as long as the child may live. The child answers
with any number of Progress and ends with one Fetched or one Refused.
"""

import msgspec

from roundhouse_common.contracts.catalog import ModelSource
from roundhouse_common.contracts.provisioning import Peer
from roundhouse_node_agent.sources.source import SourceOptions

__all__ = ["Answer", "FetchOrder", "Fetched", "Progress", "Refused", "TransferLimits"]

_MIB = 1024 * 1024


class TransferLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How a transfer behaves towards the network and the disk."""

    connections: int = 8
    part_bytes: int = 16 * _MIB
    """Files are fetched in parts of this size; a part that is whole is never fetched again."""
    rate_bytes_s: int = 0
    """Over all connections of the transfer; 0: no limit."""
    headroom_bytes: int = 1024 * _MIB
    """Must stay free on the disk."""
    reserved_bytes: int = 0
    """What transfers that run already are about to take of the disk."""
    connect_timeout_s: float = 20.0
    stall_timeout_s: float = 30.0
    """A connection without a byte for so long is given up."""
    retry_s: float = 0.5
    """The first wait before an address is asked again; each further one is longer, up to some seconds."""
    patience_s: float = 120.0
    """After so long without a byte from anywhere the transfer fails; it can be started again."""


class FetchOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One model to be fetched into the store at `root`."""

    source: ModelSource
    root: str
    options: SourceOptions = SourceOptions()
    peers: tuple[Peer, ...] = ()
    """Asked before the source."""
    limits: TransferLimits = TransferLimits()


class Progress(msgspec.Struct, frozen=True, kw_only=True, tag="progress"):
    step: str = ""
    """What is being done, in words, e.g. `asking huggingface.co`, `fetching`, `verifying`."""
    stored_bytes: int = 0
    total_bytes: int = 0
    """0 while not known."""
    rate_bytes_s: float = 0.0
    left_s: float = -1.0
    """Until it is whole, at this rate; -1: cannot be told."""
    origin: str = ""
    """Where it comes from at the moment, in words: a host name or a node."""
    revision: str = ""


class Fetched(msgspec.Struct, frozen=True, kw_only=True, tag="fetched"):
    """The model is in the store, whole and verified."""

    key: str


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    message: str
    """What was found, what was wanted, what to do."""
    is_retryable: bool
    """Whether the same order may succeed later without anybody doing anything."""


Answer = Progress | Fetched | Refused

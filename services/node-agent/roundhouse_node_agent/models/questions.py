"""What the agent asks the process that reads headers at a source elsewhere."""

import msgspec

from roundhouse_common.contracts.catalog import ModelSource
from roundhouse_node_agent.sources.source import SourceOptions

__all__ = ["RemoteQuestion"]


class RemoteQuestion(msgspec.Struct, frozen=True, kw_only=True):
    source: ModelSource
    options: SourceOptions
    known_revision: str = ""
    """When the source still is at this one, the headers are not read again: the answer has no facts then."""

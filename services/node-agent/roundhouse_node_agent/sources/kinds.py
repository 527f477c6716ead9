"""Which planner serves which kind of source."""

from collections.abc import Mapping

from roundhouse_common.contracts.catalog import SourceKind
from roundhouse_node_agent.sources.source import FileSource, SourceOptions

__all__ = ["sources"]


def sources(options: SourceOptions) -> Mapping[SourceKind, FileSource]:
    """Return a planner for each kind that can be fetched from; secrets are read when a plan is asked for."""
    raise NotImplementedError

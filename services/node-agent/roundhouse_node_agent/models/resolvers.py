"""Which resolver serves which kind of source."""

from collections.abc import Mapping

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_node_agent.domain.errors import ModelUnavailable
from roundhouse_node_agent.models.source import ModelResolver

__all__ = ["resolve"]


def resolve(resolvers: Mapping[SourceKind, ModelResolver], source: ModelSource) -> str:
    """Return the local path of a model. Raises ModelUnavailable, also for a kind this agent does not know."""
    resolver = resolvers.get(source.kind)
    if resolver is None:
        known = ", ".join(kind.value for kind in resolvers)
        raise ModelUnavailable(f"this node cannot fetch from sources of kind {source.kind.value}; it knows {known}")
    return resolver.resolve(source.uri)

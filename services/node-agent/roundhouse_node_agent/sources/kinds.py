"""Which planner serves which kind of source."""

from collections.abc import Mapping

from roundhouse_common.contracts.catalog import SourceKind
from roundhouse_node_agent.sources.http import HttpFile
from roundhouse_node_agent.sources.hugging_face import HuggingFace
from roundhouse_node_agent.sources.model_scope import ModelScope
from roundhouse_node_agent.sources.source import FileSource, SourceOptions
from roundhouse_node_agent.sources.upload import CatalogUpload

__all__ = ["sources"]


def sources(options: SourceOptions) -> Mapping[SourceKind, FileSource]:
    """Return a planner for each kind that can be fetched from; secrets are read when a plan is asked for."""
    return {
        SourceKind.HUGGING_FACE: HuggingFace(options),
        SourceKind.MODEL_SCOPE: ModelScope(options),
        SourceKind.HTTP: HttpFile(options),
        SourceKind.UPLOAD: CatalogUpload(options),
    }

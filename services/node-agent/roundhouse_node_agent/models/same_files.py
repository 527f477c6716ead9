"""Files that are here under another name: a branch was fetched or imported, and a replica asks for the commit."""

import msgspec

from roundhouse_common.contracts.catalog import ModelSource
from roundhouse_node_agent.transfers.manifest import Manifest
from roundhouse_node_agent.transfers.store import FileStore, StoredFiles

__all__ = ["under_its_commit"]


def under_its_commit(store: FileStore, source: ModelSource) -> StoredFiles | None:
    """Return the model after giving it a second name in the store; None when nothing here stands at that commit.

    Blocks. Nothing is copied: both names share the files.
    """
    if not source.revision:
        return None
    for found in store.list():
        manifest = found.manifest
        if manifest.revision == source.revision and _without_revision(manifest.source) == _without_revision(source):
            return store.publish(
                Manifest(
                    source=source,
                    revision=manifest.revision,
                    files=manifest.files,
                    adopted_path=manifest.adopted_path,
                )
            )
    return None


def _without_revision(source: ModelSource) -> ModelSource:
    return msgspec.structs.replace(source, revision="", patterns=tuple(sorted(set(source.patterns))))

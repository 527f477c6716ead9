"""Which files of a source are whole on this machine: in the store, also under another name, or elsewhere on disk."""

from collections.abc import Callable

import msgspec
import structlog

from roundhouse_common.contracts.catalog import ModelSource
from roundhouse_common.model_sources import shown_uri, source_key
from roundhouse_common.runtime import Clock
from roundhouse_node_agent.models.adoption import OnDisk
from roundhouse_node_agent.transfers.adopting import adopted_manifest
from roundhouse_node_agent.transfers.manifest import Manifest
from roundhouse_node_agent.transfers.store import FileStore, StoredFiles

__all__ = ["FilesHere"]

_log = structlog.get_logger(__name__)


class FilesHere:
    """All methods block on the disk, and may be called from any thread."""

    def __init__(self, store: FileStore, find_on_disk: Callable[[ModelSource], OnDisk | None], clock: Clock) -> None:
        self._store = store
        self._find_on_disk = find_on_disk
        self._clock = clock

    def peek(self, source: ModelSource) -> tuple[str, Manifest] | None:
        """Return where a source's files are whole, and which they are, changing nothing."""
        found = self._store.find(source_key(source)) or self._at_commit(source)
        if found is not None:
            return found.path, found.manifest
        on_disk = self._find_on_disk(source)
        if on_disk is None:
            return None
        return str(on_disk.path), adopted_manifest(source, on_disk.path, on_disk.revision)

    def stored(self, source: ModelSource) -> StoredFiles | None:
        """Return the model, after noting in the store what has another name there or is elsewhere on the disk."""
        found = self._store.find(source_key(source))
        if found is None and (same := self._at_commit(source)) is not None:
            found = self._store.publish(msgspec.structs.replace(same.manifest, source=source))
        if found is None and (on_disk := self._find_on_disk(source)) is not None:
            found = self._store.adopt(source, on_disk.path, on_disk.revision)
            _log.info("model_files_adopted", key=found.key, uri=shown_uri(source), path=str(on_disk.path))
        return found

    def take(self, source: ModelSource) -> str | None:
        """Return the path for an engine, and note the use."""
        found = self.stored(source)
        if found is None:
            return None
        self._store.touch(found.key, self._clock.now())
        return found.path

    def _at_commit(self, source: ModelSource) -> StoredFiles | None:
        """Return a model that was fetched or imported as a branch, and that stands at the commit that is asked for."""
        if not source.revision:
            return None
        wanted = _without_revision(source)
        fitting = (
            found
            for found in self._store.list()
            if found.manifest.revision == source.revision and _without_revision(found.manifest.source) == wanted
        )
        return next(fitting, None)


def _without_revision(source: ModelSource) -> ModelSource:
    return msgspec.structs.replace(source, revision="", patterns=tuple(sorted(set(source.patterns))))

"""One look at the disk: which model files are whole, begun, or lie elsewhere. Blocks; the agent looks in a thread."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.model_sources import source_key
from roundhouse_node_agent.domain.errors import ModelUnavailable
from roundhouse_node_agent.domain.model_files import Held
from roundhouse_node_agent.models.names import ModelNames
from roundhouse_node_agent.models.resolvers import resolve
from roundhouse_node_agent.models.source import ModelResolver
from roundhouse_node_agent.transfers.store import FileStore, StoredFiles, Unfinished

__all__ = ["LocalFiles", "Looked", "Shelf", "look_at"]

_TOUCH_EVERY_S = 3600.0
_MOST_FILES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFiles:
    """Files of a path or of a Python package: they are where they are, or they are missing."""

    source: ModelSource
    path: str = ""
    size_bytes: int = 0
    file_count: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """What was found at the last look."""

    is_known: bool = False
    stored: Mapping[str, StoredFiles] = field(default_factory=dict)
    unfinished: Mapping[str, Unfinished] = field(default_factory=dict)
    local: Mapping[str, LocalFiles] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    used: frozenset[str] = frozenset()
    touched_at: Mapping[str, float] = field(default_factory=dict)
    disk_bytes: int = 0
    free_bytes: int = 0

    def held(self) -> dict[str, Held]:
        held = {key: Held(is_whole=False, has_parts=True) for key in self.unfinished}
        return {**held, **{key: Held(is_whole=True) for key in self.stored}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a look needs to know beforehand."""

    local: Sequence[ModelSource] = ()
    """Sources on this machine that were ordered."""
    used: frozenset[str] = frozenset()
    names: Mapping[str, str] = field(default_factory=dict)
    """To be kept."""


def look_at(
    store: FileStore,
    resolvers: Mapping[SourceKind, ModelResolver],
    looked: Looked,
    before: Shelf,
    now: float,
) -> Shelf:
    """Return what is here now, and note which files are in use."""
    stored = {found.key: found for found in store.list()}
    unfinished = {found.key: found for found in store.unfinished() if found.key not in stored}
    names = ModelNames(store.layout.root)
    for key, name in looked.names.items():
        names.keep(key, name)
    return Shelf(
        is_known=True,
        stored=stored,
        unfinished=unfinished,
        local={source_key(source): _local(resolvers, source, before) for source in looked.local},
        names={key: before.names.get(key) or names.get(key) for key in (*stored, *unfinished)},
        used=looked.used,
        touched_at=_touch(store, looked.used & stored.keys(), before, now),
        disk_bytes=store.disk_bytes(),
        free_bytes=store.free_bytes(),
    )


def _touch(store: FileStore, used: frozenset[str], before: Shelf, now: float) -> dict[str, float]:
    """Note the use of what is in use, now and then, and of what was until now."""
    touched = {key: at for key, at in before.touched_at.items() if key in used}
    for key in before.touched_at.keys() - used:
        store.touch(key, now)
    for key in used:
        if now - touched.get(key, 0.0) >= _TOUCH_EVERY_S:
            store.touch(key, now)
            touched[key] = now
    return touched


def _local(resolvers: Mapping[SourceKind, ModelResolver], source: ModelSource, before: Shelf) -> LocalFiles:
    try:
        path = resolve(resolvers, source)
    except ModelUnavailable as error:
        return LocalFiles(source=source, error=error.message)
    known = before.local.get(source_key(source))
    if known is not None and known.path == path:
        return known
    sizes = _sizes(Path(path))
    return LocalFiles(source=source, path=path, size_bytes=sum(sizes), file_count=len(sizes))


def _sizes(path: Path) -> list[int]:
    if not path.is_dir():
        return [path.stat().st_size]
    sizes: list[int] = []
    for directory, _, files in os.walk(path):
        for name in files[: _MOST_FILES - len(sizes)]:
            try:
                sizes.append((Path(directory) / name).stat().st_size)
            except OSError:
                continue
    return sizes

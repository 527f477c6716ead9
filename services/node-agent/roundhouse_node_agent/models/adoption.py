"""Weights that are on the disk already, outside the store: found, so that they are used and not fetched.

Two places are looked at, both only when the settings name them: a cache of the Hugging Face client, by repository and
revision, and the model directories, as DIRECTORY/OWNER/NAME for sources without a revision. What is there must look
whole: the weights that would be fetched, all parts of them, and nothing half downloaded.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_node_agent.sources.gguf_sets import ListedFile, part_names
from roundhouse_node_agent.sources.patterns import select
from roundhouse_node_agent.sources.source import SourceRefused

__all__ = ["DiskFinder", "OnDisk"]

_log = structlog.get_logger(__name__)
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_DEFAULT_BRANCH = "main"
_MOST_FILES = 10_000
_MOST_INDEX_BYTES = 64 * 1024 * 1024
_WEIGHTS = (".safetensors", ".gguf", ".bin", ".pt", ".pth")


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDisk:
    """Where files of a source are."""

    path: Path
    """What an engine is given, or its directory."""
    revision: str = ""
    """The commit, where that is known."""


class _Index(msgspec.Struct):
    weight_map: dict[str, str] = {}


class DiskFinder:
    """Call it with a source; it blocks on the disk and returns what is whole there, or None."""

    def __init__(self, *, model_directories: Sequence[Path] = (), hugging_face_cache: Path | None = None) -> None:
        self._directories = tuple(model_directories)
        self._cache = hugging_face_cache

    def __call__(self, source: ModelSource) -> OnDisk | None:
        for directory, revision in self._candidates(source):
            try:
                found = _whole(directory, source.patterns)
            except (SourceRefused, OSError, msgspec.MsgspecError) as error:
                _log.debug("not_adopted", path=str(directory), why=str(error))
                continue
            if found is not None:
                return OnDisk(path=found, revision=revision)
        return None

    def _candidates(self, source: ModelSource) -> list[tuple[Path, str]]:
        is_repository = source.kind in (SourceKind.HUGGING_FACE, SourceKind.MODEL_SCOPE)
        if not is_repository or _REPOSITORY.fullmatch(source.uri) is None or ".." in source.revision:
            return []
        found = []
        if source.kind is SourceKind.HUGGING_FACE and self._cache is not None:
            snapshot = _snapshot(self._cache, source)
            found += [(snapshot, snapshot.name)] if snapshot is not None else []
        if not source.revision:
            found += [(directory / source.uri, "") for directory in self._directories]
        return [(directory, revision) for directory, revision in found if directory.is_dir()]


def _snapshot(cache: Path, source: ModelSource) -> Path | None:
    """Return the directory of the revision in the client's cache, unless something of the repository is half there."""
    repository = cache / f"models--{source.uri.replace('/', '--')}"
    revision = source.revision or _DEFAULT_BRANCH
    if _REVISION.fullmatch(revision) is None or any(repository.glob("blobs/*.incomplete")):
        return None
    try:
        commit = (repository / "refs" / revision).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        commit = revision
    snapshot = repository / "snapshots" / commit
    return snapshot if _REVISION.fullmatch(commit) is not None and snapshot.is_dir() else None


def _whole(directory: Path, patterns: Sequence[str]) -> Path | None:
    """Return what an engine is given; None when something is missing. Raises SourceRefused or OSError."""
    listed = _listed(directory)
    chosen = [file.path for file in select(listed, patterns, what=str(directory))]
    weights = [path for path in chosen if path.endswith(_WEIGHTS)]
    expected = {name for path in weights for name in part_names(path) or (path,)}
    for path in (path for path in chosen if path.endswith(".safetensors.index.json")):
        folder = path.rpartition("/")[0]
        expected |= {f"{folder}/{name}".lstrip("/") for name in _shards(directory / path)}
    if not weights or not expected <= {file.path for file in listed}:
        return None
    ggufs = {file.path for file in listed if file.path.endswith(".gguf")}
    is_file = weights[0] in ggufs and (len(weights) == 1 or ggufs > set(weights))
    return directory / weights[0] if is_file else directory


def _shards(index: Path) -> set[str]:
    if index.stat().st_size > _MOST_INDEX_BYTES:
        raise OSError(f"{index} is too large for an index")
    return set(msgspec.json.decode(index.read_bytes(), type=_Index).weight_map.values())


def _listed(directory: Path) -> list[ListedFile]:
    """Return the files below a directory; links that lead nowhere raise OSError."""
    listed: list[ListedFile] = []
    for folder, _, names in os.walk(directory):
        for name in names:
            path = Path(folder) / name
            listed.append(ListedFile(path.relative_to(directory).as_posix(), path.stat().st_size))
            if len(listed) > _MOST_FILES:
                raise OSError(f"{directory} has more than {_MOST_FILES} files")
    return listed

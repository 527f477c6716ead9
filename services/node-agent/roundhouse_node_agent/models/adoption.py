"""Weights that are on the disk already, outside the store: found, so that they are used and not fetched.

Two places are looked at, both only when the settings name them: a cache of the Hugging Face client, by repository and
revision, and the model directories, as DIRECTORY/OWNER/NAME. What is there must look whole: the weights that would be
fetched, all parts of them, and nothing half downloaded. Where a commit is asked for, a plain directory must say that it
is that one, which the client's `--local-dir` does.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
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
_MOST_NOTE_BYTES = 4096
_NOTES = Path(".cache/huggingface/download")
_REPOSITORIES = (SourceKind.HUGGING_FACE, SourceKind.MODEL_SCOPE)
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
        if source.kind not in _REPOSITORIES or _REPOSITORY.fullmatch(source.uri) is None or ".." in source.revision:
            return None
        looks: list[Callable[[ModelSource], OnDisk | None]] = []
        if self._cache is not None and source.kind is SourceKind.HUGGING_FACE:
            looks = [partial(_in_cache, self._cache)]
        looks += [partial(_in_directory, directory / source.uri) for directory in self._directories]
        for look in looks:
            try:
                found = look(source)
            except (SourceRefused, OSError, msgspec.MsgspecError) as error:
                _log.debug("not_adopted", uri=source.uri, why=str(error))
                continue
            if found is not None:
                return found
        return None


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


def _in_cache(cache: Path, source: ModelSource) -> OnDisk | None:
    snapshot = _snapshot(cache, source)
    whole = _whole(snapshot, source.patterns) if snapshot is not None else None
    return OnDisk(path=whole.path, revision=snapshot.name) if snapshot is not None and whole is not None else None


def _in_directory(directory: Path, source: ModelSource) -> OnDisk | None:
    """Return what is whole there. Where a revision is asked for, the client's notes must say that it is that commit."""
    if not directory.is_dir() or any((directory / _NOTES).rglob("*.incomplete")):
        return None
    whole = _whole(directory, source.patterns)
    if whole is None:
        return None
    commits = {_commit_of(directory, path) for path in whole.weights}
    commit = commits.pop() if len(commits) == 1 and source.kind is SourceKind.HUGGING_FACE else ""
    return OnDisk(path=whole.path, revision=commit) if source.revision in ("", commit) else None


def _commit_of(directory: Path, path: str) -> str:
    """Return the commit that the Hugging Face client noted for a file of its `--local-dir`; empty without a note."""
    note = directory / _NOTES / f"{path}.metadata"
    try:
        with note.open("rb") as file:
            lines = file.read(_MOST_NOTE_BYTES).decode("ascii", "replace").splitlines()
    except FileNotFoundError:
        return ""
    return lines[0].strip() if lines else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Whole:
    path: Path
    weights: frozenset[str]


def _whole(directory: Path, patterns: Sequence[str]) -> _Whole | None:
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
    return _Whole(path=directory / weights[0] if is_file else directory, weights=frozenset(expected))


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

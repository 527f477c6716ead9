"""Models that are on the disk already: noted where they are, not copied."""

import os
from pathlib import Path
from typing import Final

from roundhouse_common.contracts.catalog import ModelSource
from roundhouse_node_agent.domain.errors import ModelUnavailable
from roundhouse_node_agent.transfers.manifest import Manifest, ManifestFile

__all__ = ["adopted_manifest"]

_MOST_FILES: Final = 10_000


def adopted_manifest(source: ModelSource, path: Path, revision: str) -> Manifest:
    """Return what is at `path`, a file or a directory, with sizes. Raises ModelUnavailable."""
    if not path.is_absolute():
        raise ModelUnavailable(f"{str(path)!r} is not an absolute path")
    try:
        files = _one(path) if path.is_file() else _below(path)
    except OSError as error:
        raise ModelUnavailable(f"{path} cannot be read by the node agent: {error.strerror or error}") from error
    if not files:
        raise ModelUnavailable(f"{path} has no files on this node")
    return Manifest(source=source, revision=revision, files=tuple(files), adopted_path=str(path))


def _one(path: Path) -> list[ManifestFile]:
    with path.open("rb"):
        return [ManifestFile(path=path.name, size=path.stat().st_size)]


def _below(path: Path) -> list[ManifestFile]:
    files = []
    for directory, names, leaves in os.walk(path, onerror=_raise):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for leaf in sorted(leaves):
            file = Path(directory, leaf)
            if not leaf.startswith(".") and file.is_file():
                files.append(ManifestFile(path=file.relative_to(path).as_posix(), size=file.stat().st_size))
        if len(files) > _MOST_FILES:
            raise ModelUnavailable(f"{path} has more than {_MOST_FILES} files; state the directory of one model")
    return files


def _raise(error: OSError) -> None:
    raise error

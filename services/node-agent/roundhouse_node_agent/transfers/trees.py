"""Whole models in the store: a manifest, and links to blobs, published by one rename."""

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from roundhouse_node_agent.transfers.durable import sync_directory, write_durably
from roundhouse_node_agent.transfers.layout import Layout
from roundhouse_node_agent.transfers.manifest import Manifest, ManifestFile
from roundhouse_node_agent.transfers.paths import main_file

__all__ = ["StoredFiles", "all_keys", "publish_tree", "read_manifest", "read_tree", "retire_tree", "touch_tree"]

_USED: Final = "used"
_FILES: Final = "files"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFiles:
    """One model that is whole."""

    key: str
    manifest: Manifest
    path: str
    """What an engine is given: the directory, or the file when it is one file (of split GGUF the first)."""
    size_bytes: int
    published_at: float
    """Unix seconds."""
    used_at: float
    """Unix seconds at which it was last touched; when it was published, if never."""

    @property
    def is_adopted(self) -> bool:
        """Whether the files are outside the store."""
        return bool(self.manifest.adopted_path)


def all_keys(layout: Layout) -> list[str]:
    """Return the keys of all trees, whether they are sound or not."""
    try:
        names = os.listdir(layout.trees)
    except FileNotFoundError:
        return []
    return sorted(name for name in names if not name.startswith("."))


def read_manifest(layout: Layout, key: str) -> Manifest | None:
    """Return what a tree consists of; None when there is none."""
    try:
        return msgspec.json.decode(layout.manifest(key).read_bytes(), type=Manifest)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None


def read_tree(layout: Layout, key: str) -> StoredFiles | None:
    """Return the model; None when there is none, or when files of it are gone."""
    manifest = read_manifest(layout, key)
    if manifest is None:
        return None
    tree = layout.tree(key)
    try:
        published_at = os.stat(layout.manifest(key)).st_mtime
        used_at = os.stat(tree / _USED).st_mtime
        for file in manifest.files:
            if os.stat(_where(layout, manifest, file)).st_size != file.size:
                return None
    except OSError:
        return None
    return StoredFiles(
        key=key,
        manifest=manifest,
        path=_engine_path(Path(manifest.adopted_path) if manifest.adopted_path else tree / _FILES, manifest),
        size_bytes=sum(file.size for file in manifest.files),
        published_at=published_at,
        used_at=used_at,
    )


def _where(layout: Layout, manifest: Manifest, file: ManifestFile) -> Path:
    if not manifest.adopted_path:
        return layout.blob(file.sha256)
    adopted = Path(manifest.adopted_path)
    return adopted if adopted.is_file() else adopted / file.path


def _engine_path(directory: Path, manifest: Manifest) -> str:
    """Return what engines take, a file or the directory."""
    if directory.is_file():
        return str(directory)
    return str(directory / main_file(file.path for file in manifest.files))


def publish_tree(layout: Layout, key: str, manifest: Manifest) -> None:
    """Put a tree in place of whatever is there under the key. All blobs must be in the store; its lock is held."""
    new, tree = layout.trees / f".new-{key}", layout.tree(key)
    shutil.rmtree(new, ignore_errors=True)
    (new / _FILES).mkdir(parents=True)
    made = {new / _FILES}
    for file in () if manifest.adopted_path else manifest.files:
        link = new / _FILES / file.path
        link.parent.mkdir(parents=True, exist_ok=True)
        made.update(parent for parent in link.parents if parent.is_relative_to(new / _FILES))
        depth = file.path.count("/") + 3  # files/, the tree, trees/
        os.symlink(Path(*[".."] * depth, "blobs", file.sha256), link)
    (new / _USED).touch()
    write_durably(new / "manifest.json", msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    for directory in made:
        sync_directory(directory)
    retire_tree(layout, key)
    os.rename(new, tree)
    sync_directory(layout.trees)


def retire_tree(layout: Layout, key: str) -> None:
    """Take a tree away by one rename, then delete it. What a crash leaves of it, a sweep deletes."""
    gone = layout.trees / f".gone-{key}"
    shutil.rmtree(gone, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        os.rename(layout.tree(key), gone)
        sync_directory(layout.trees)
    shutil.rmtree(gone, ignore_errors=True)


def touch_tree(layout: Layout, key: str, at: float) -> None:
    """Note when the model was used; one that is not there is ignored."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(layout.tree(key) / _USED, (at, at))

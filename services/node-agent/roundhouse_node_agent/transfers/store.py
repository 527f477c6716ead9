"""The node's content-addressed store of model files: each distinct file is kept once, whole, verified, read-only.

    blobs/SHA256                       whole files, mode 0444
    trees/KEY/manifest.json, files/    one model: relative links into blobs/; published by one rename
    partial/                           what is being fetched, and what was fetched before an interruption
    locks/                             one file per key and per blob, held with flock

All methods block on the disk. Any number of processes may use one store at the same time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from roundhouse_common.contracts.catalog import ModelSource
from roundhouse_node_agent.transfers.manifest import Manifest

__all__ = ["FileStore", "StoredFiles", "Unfinished"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """One model of which some parts are there."""

    key: str
    source: ModelSource
    revision: str
    stored_bytes: int
    total_bytes: int
    file_count: int
    changed_at: float = 0.0
    """Unix seconds at which something was last fetched of it."""


class FileStore:
    def __init__(self, root: Path) -> None:
        """Nothing is touched before the first method that needs it."""
        self.root = root

    def find(self, key: str) -> StoredFiles | None:
        """Return the model when it is whole. An adopted one whose files are gone from the disk is not found."""
        raise NotImplementedError

    def list(self) -> tuple[StoredFiles, ...]:
        """Return all models that are whole, in the order of their keys."""
        raise NotImplementedError

    def unfinished(self) -> tuple[Unfinished, ...]:
        """Return the models that were begun and are not whole."""
        raise NotImplementedError

    def publish(self, manifest: Manifest) -> StoredFiles:
        """Make a model of blobs that are all in the store; safe to repeat."""
        raise NotImplementedError

    def adopt(self, source: ModelSource, path: Path) -> StoredFiles:
        """Note files that are on the disk already as the files of `source`, without copying; safe to repeat.

        Raises ModelUnavailable when there is nothing readable at `path`.
        """
        raise NotImplementedError

    def add_blob(self, path: Path) -> tuple[str, int]:
        """Copy one file into the store and return its SHA-256 and size; one that is there already is not copied."""
        raise NotImplementedError

    def blob(self, sha256: str) -> Path | None:
        """Return where a whole file is. For serving it to other nodes."""
        raise NotImplementedError

    def touch(self, key: str, at: float) -> None:
        """Note that the model was used; one that is not there is ignored."""
        raise NotImplementedError

    def remove(self, key: str) -> int:
        """Delete the model, what was begun of it, and the blobs that nothing else needs; return the bytes freed.

        Files of an adopted model stay. Safe to repeat, also after a crash. Raises StoreBusy while it is being fetched.
        """
        raise NotImplementedError

    def drop_unfinished(self, key: str) -> int:
        """Delete the parts of files that are not whole; return the bytes freed. Raises StoreBusy as `remove` does."""
        raise NotImplementedError

    def removable_bytes(self, keys: Sequence[str]) -> int:
        """Return what removing these models would free: blobs that others share do not count."""
        raise NotImplementedError

    def sweep(self) -> int:
        """Finish what a crash interrupted and return the bytes freed; for the start of the agent."""
        raise NotImplementedError

    def free_bytes(self) -> int:
        """Return what is free on the file system of the store, for this user."""
        raise NotImplementedError

    def disk_bytes(self) -> int:
        """Return the size of the file system of the store."""
        raise NotImplementedError

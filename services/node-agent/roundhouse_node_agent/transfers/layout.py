"""Where things are in the store."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Layout", "is_digest", "is_key"]

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_KEY: Final = re.compile(r"[0-9a-f]{32}")


def is_digest(text: str) -> bool:
    """Whether this is a SHA-256 in the form that names a blob. Digests from elsewhere must be asked this first."""
    return _DIGEST.fullmatch(text) is not None


def is_key(text: str) -> bool:
    """Whether this can be a `source_key`. Keys from elsewhere must be asked this first."""
    return _KEY.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths below the root of one store; nothing here touches the disk but `make`."""

    root: Path

    @property
    def blobs(self) -> Path:
        return self.root / "blobs"

    @property
    def trees(self) -> Path:
        return self.root / "trees"

    @property
    def partial(self) -> Path:
        return self.root / "partial"

    @property
    def locks(self) -> Path:
        return self.root / "locks"

    def blob(self, sha256: str) -> Path:
        return self.blobs / sha256

    def tree(self, key: str) -> Path:
        return self.trees / key

    def manifest(self, key: str) -> Path:
        return self.trees / key / "manifest.json"

    def plan(self, key: str) -> Path:
        return self.partial / f"{key}.plan"

    def data(self, name: str) -> Path:
        return self.partial / f"{name}.data"

    def journal(self, name: str) -> Path:
        return self.partial / f"{name}.journal"

    def begun(self, name: str) -> Path:
        return self.partial / f"{name}.begun"

    def lock(self, name: str) -> Path:
        """Of a model's key, or of a file that is being fetched."""
        return self.locks / name

    @property
    def store_lock(self) -> Path:
        """Held, for moments only, by whoever changes what refers to blobs or deletes them."""
        return self.locks / "store"

    def make(self) -> None:
        """Make the directories that are missing."""
        for path in (self.blobs, self.trees, self.partial, self.locks):
            path.mkdir(parents=True, exist_ok=True)

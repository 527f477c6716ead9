"""What the Hub server holds: repositories with commits and branches, single files and uploads."""

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

__all__ = ["Blob", "Content", "Repository"]

Content = bytes | Path
_LARGE = (".safetensors", ".gguf", ".bin", ".pth", ".onnx", ".msgpack", ".h5")
_PIECE_BYTES = 1024 * 1024


@dataclass
class Blob:
    """One file's bytes, in memory or on the disk."""

    path: str
    content: Content

    @cached_property
    def size(self) -> int:
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size

    @cached_property
    def sha256(self) -> str:
        return self._digest(hashlib.sha256())

    @cached_property
    def git_sha1(self) -> str:
        return self._digest(hashlib.sha1(b"blob %d\0" % self.size))

    @property
    def is_large(self) -> bool:
        """Whether it would be kept in Git LFS."""
        return self.path.endswith(_LARGE)

    @property
    def etag(self) -> str:
        return f'"{self.sha256 if self.is_large else self.git_sha1}"'

    @property
    def media_type(self) -> str:
        return mimetypes.guess_type(self.path)[0] or "application/octet-stream"

    def read(self, start: int, count: int) -> bytes:
        """Return so many bytes from there on, or what is left."""
        if isinstance(self.content, bytes):
            return self.content[start : start + count]
        with self.content.open("rb") as file:
            file.seek(start)
            return file.read(count)

    def _digest(self, digest: "hashlib._Hash") -> str:
        for start in range(0, self.size, _PIECE_BYTES):
            digest.update(self.read(start, _PIECE_BYTES))
        return digest.hexdigest()


@dataclass
class Repository:
    """A model repository: every commit stays readable."""

    name: str
    is_private: bool = False
    is_gated: bool = False
    members: frozenset[str] = frozenset()
    """Tokens that may read it while it is private or gated."""
    commits: dict[str, dict[str, Blob]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def commit(self, files: Mapping[str, Content], branch: str) -> str:
        """Add a commit on the branch with exactly these files; return its hash."""
        blobs = {path: Blob(path, content) for path, content in sorted(files.items())}
        told = "\n".join(f"{path} {blob.sha256}" for path, blob in blobs.items())
        parent = self.branches.get(branch, "")
        found = hashlib.sha1(f"{self.name} {parent} {told}".encode()).hexdigest()
        self.commits[found] = blobs
        self.branches[branch] = found
        return found

    def resolve(self, revision: str) -> str | None:
        """Return the commit that a branch, tag or commit stands for."""
        return self.branches.get(revision) or (revision if revision in self.commits else None)

"""Digests of a file that grows: whatever is whole from its start on is read back and hashed while the rest comes."""

import hashlib
import os
from typing import Final

__all__ = ["Digests", "hash_file"]

_PIECE_BYTES: Final = 1024 * 1024


class Digests:
    """SHA-256 of everything, and the digest of the git blob when one is asked for."""

    def __init__(self, fd: int, size: int, *, with_git: bool) -> None:
        self._fd = fd
        self._sha256 = hashlib.sha256()
        self._git = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False) if with_git else None
        self._buffer = bytearray(_PIECE_BYTES)
        self.size = size
        self.done_bytes = 0

    def take(self, until: int) -> None:
        """Hash up to `until`; blocks, so in a thread, one call at a time. Raises OSError when the file ends before."""
        view = memoryview(self._buffer)
        while self.done_bytes < until:
            piece = view[: min(_PIECE_BYTES, until - self.done_bytes)]
            count = os.preadv(self._fd, [piece], self.done_bytes)
            if count == 0:
                raise OSError(f"the file ends at {self.done_bytes} of {until} bytes")
            self._sha256.update(piece[:count])
            if self._git is not None:
                self._git.update(piece[:count])
            self.done_bytes += count

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    @property
    def git_sha1(self) -> str:
        return self._git.hexdigest() if self._git is not None else ""


def hash_file(fd: int, size: int) -> str:
    """Return the SHA-256 of a file's first `size` bytes, in hex."""
    digests = Digests(fd, size, with_git=False)
    digests.take(size)
    return digests.sha256

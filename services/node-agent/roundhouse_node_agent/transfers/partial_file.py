"""One file that is being fetched: its data, sparse at first, and the journal that says which parts of it are whole."""

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence

from roundhouse_node_agent.transfers.begun import read_begun, write_begun
from roundhouse_node_agent.transfers.durable import disk_errors, sync_directory
from roundhouse_node_agent.transfers.journal import Journal, JournalHead
from roundhouse_node_agent.transfers.layout import Layout

__all__ = ["PartialFile"]

_MODE = 0o600
_MOST_BUFFERS = 512
"""IOV_MAX is 1024."""


class PartialFile:
    """Open for writing at any offset. One at a time per name: whoever opens it holds the lock of that name.

    Methods block on the disk, and raise TransferFailed for what the disk refuses.
    """

    def __init__(self, layout: Layout, name: str, *, size: int, digest: str) -> None:
        """Open what is there. What is not of this digest, or not of this size where one is known, is dropped."""
        self._layout = layout
        self._name = name
        self._digest = digest
        self._path = layout.data(name)
        self._begun = layout.begun(name)
        with disk_errors(self._path):
            with contextlib.suppress(FileNotFoundError):
                os.chmod(self._path, _MODE)  # a crash may have come right before it became a blob
            self.fd = os.open(self._path, os.O_RDWR | os.O_CREAT, _MODE)
            sync_directory(layout.partial)
            self._journal = Journal.open(layout.journal(name))
        head = self.head
        if head is not None and (
            head.digest != digest or size not in (-1, head.size) or os.fstat(self.fd).st_size != head.size
        ):
            self.reset()

    @property
    def head(self) -> JournalHead | None:
        """What is being fetched; None before anything is known about it."""
        return self._journal.head if self._journal is not None else None

    @property
    def parts(self) -> frozenset[int]:
        """Numbers of the parts that are whole."""
        return frozenset(self._journal.parts) if self._journal is not None else frozenset()

    def begun(self) -> dict[int, int]:
        """Return how many bytes there are of parts that are not whole."""
        return read_begun(self._begun, self._journal.head, self.parts) if self._journal is not None else {}

    def keep_begun(self, parts: Mapping[int, int]) -> None:
        """Note how many bytes of parts are written, after these have been synced."""
        if self._journal is not None:
            with disk_errors(self._path):
                os.fdatasync(self.fd)
                write_begun(self._begun, self._journal.head, parts)

    def begin(self, size: int, part_bytes: int, validator: str) -> None:
        """Make room for the file, of which no part is whole yet."""
        head = JournalHead(size=size, part_bytes=part_bytes, digest=self._digest, validator=validator)
        with disk_errors(self._path):
            self._begun.unlink(missing_ok=True)
            os.ftruncate(self.fd, size)
            self._journal = Journal.begin(self._layout.journal(self._name), head)

    def write(self, offset: int, buffers: Sequence[bytes]) -> None:
        """Write all of it; on return it is with the operating system, not yet on the disk."""
        with disk_errors(self._path):
            for start in range(0, len(buffers), _MOST_BUFFERS):
                offset += self._write(offset, buffers[start : start + _MOST_BUFFERS])

    def _write(self, offset: int, buffers: Sequence[bytes]) -> int:
        wanted = sum(map(len, buffers))
        written = os.pwritev(self.fd, buffers, offset)
        if written < wanted:
            rest = memoryview(b"".join(buffers))[written:]
            while rest:
                count = os.pwrite(self.fd, rest, offset + wanted - len(rest))
                rest = rest[count:]
        return wanted

    def commit(self, parts: Iterable[int]) -> None:
        """Note parts as whole, after their data has been synced."""
        if self._journal is None:
            return
        with disk_errors(self._path):
            os.fdatasync(self.fd)
            self._journal.add(parts)

    def reset(self) -> None:
        """Forget everything that is there. Safe to repeat."""
        with disk_errors(self._path):
            if self._journal is not None:
                self._journal.close()
                self._journal = None
            self._begun.unlink(missing_ok=True)
            self._layout.journal(self._name).unlink(missing_ok=True)
            os.ftruncate(self.fd, 0)

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        os.close(self.fd)

"""Makes whole files of the store out of what was fetched, or lies elsewhere on the disk."""

import os
from pathlib import Path
from typing import Final

from roundhouse_node_agent.domain.errors import ModelUnavailable
from roundhouse_node_agent.transfers.durable import disk_errors, sync_directory
from roundhouse_node_agent.transfers.hashing import Digests
from roundhouse_node_agent.transfers.layout import Layout

__all__ = ["copy_blob", "settle_blob"]

_MODE: Final = 0o444
_PIECE_BYTES: Final = 4 * 1024 * 1024


def settle_blob(layout: Layout, name: str, sha256: str) -> None:
    """Make a blob of a partial file whose data is whole, synced, and of this digest. Its lock is held.

    One rename: a crash leaves the partial file, whose journal says that nothing of it is missing, or the blob.
    """
    data = layout.data(name)
    os.chmod(data, _MODE)
    os.replace(data, layout.blob(sha256))
    sync_directory(layout.blobs)
    layout.journal(name).unlink(missing_ok=True)
    layout.begun(name).unlink(missing_ok=True)


def copy_blob(layout: Layout, name: str, path: Path) -> tuple[str, int]:
    """Copy a file into `partial/` under this name and hash it; return its SHA-256 and size. `settle_blob` is next."""
    try:
        source = path.open("rb")
    except OSError as error:
        raise ModelUnavailable(f"{path} cannot be read: {error.strerror or error}") from error
    with source, disk_errors(layout.data(name)):
        fd = os.open(layout.data(name), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            while piece := source.read(_PIECE_BYTES):
                view = memoryview(piece)
                while view:
                    view = view[os.write(fd, view) :]
            os.fsync(fd)
            digests = Digests(fd, os.fstat(fd).st_size, with_git=False)
            digests.take(digests.size)
            return digests.sha256, digests.size
        finally:
            os.close(fd)

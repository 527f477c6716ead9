"""What refers to what in the store, and deleting what nothing refers to."""

import contextlib
import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from roundhouse_node_agent.transfers.durable import try_lock, unlock
from roundhouse_node_agent.transfers.layout import Layout, is_digest
from roundhouse_node_agent.transfers.plan_record import PlanRecord, read_plan
from roundhouse_node_agent.transfers.trees import all_keys, read_manifest

__all__ = ["all_plans", "delete_blobs", "delete_partials", "referred_blobs", "unreferred"]

_BLOCK_BYTES: Final = 512
"""What st_blocks counts in, whatever the file system does."""


def all_plans(layout: Layout) -> dict[str, PlanRecord]:
    """Return what was begun, by key."""
    keys = sorted(path.name.removesuffix(".plan") for path in _files(layout.partial) if path.name.endswith(".plan"))
    return {key: record for key in keys if (record := read_plan(layout.plan(key))) is not None}


def referred_blobs(layout: Layout, *, without: Collection[str] = ()) -> set[str]:
    """Return the digests that any model needs, whole or begun, but those `without`."""
    digests: set[str] = set()
    for key in all_keys(layout):
        if key not in without and (manifest := read_manifest(layout, key)) is not None:
            digests.update(file.sha256 for file in manifest.files if file.sha256)
    for key, record in all_plans(layout).items():
        if key not in without:
            digests.update(record.blobs())
    return digests


def unreferred(layout: Layout) -> tuple[set[str], set[str]]:
    """Return the blobs and the partial files that no model needs."""
    blobs = {path.name for path in _files(layout.blobs)} - referred_blobs(layout)
    wanted = {file.partial for record in all_plans(layout).values() for file in record.files}
    names = {path.name.split(".")[0] for path in _files(layout.partial) if not path.name.endswith(".plan")}
    return blobs, names - wanted


def delete_blobs(layout: Layout, digests: Iterable[str]) -> int:
    """Delete blobs and return the bytes freed. The store's lock is held."""
    freed = 0
    for digest in digests:
        if is_digest(digest):
            freed += _delete(layout.blob(digest))
    return freed


def delete_partials(layout: Layout, names: Iterable[str]) -> int:
    """Delete what there is of files, but those that somebody is fetching; return the bytes freed."""
    freed = 0
    for name in names:
        lock = layout.lock(name)
        fd = try_lock(lock)
        if fd is not None:
            notes = layout.journal(name), layout.begun(name)
            for path in (*notes, layout.data(name), *(note.with_name(f"{note.name}.new") for note in notes)):
                freed += _delete(path)  # the journal first: without it the rest means nothing
            unlock(fd, lock)
    return freed


def _delete(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        freed = os.stat(path).st_blocks * _BLOCK_BYTES
        path.unlink()
        return freed
    return 0


def _files(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except FileNotFoundError:
        return []

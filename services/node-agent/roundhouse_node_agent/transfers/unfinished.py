"""Models of which some files, or parts of files, are there."""

import os
from dataclasses import dataclass
from pathlib import Path

from roundhouse_common.contracts.catalog import ModelSource
from roundhouse_node_agent.transfers.begun import read_begun
from roundhouse_node_agent.transfers.journal import bytes_of, look
from roundhouse_node_agent.transfers.layout import Layout
from roundhouse_node_agent.transfers.plan_record import PlannedFile, PlanRecord

__all__ = ["Unfinished", "blob_of", "file_bytes", "unfinished_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """One model that was begun and is not whole."""

    key: str
    source: ModelSource
    revision: str
    stored_bytes: int
    total_bytes: int
    """0 while the size of a file is not known."""
    file_count: int
    changed_at: float = 0.0
    """Unix seconds at which something was last fetched of it."""


def unfinished_of(layout: Layout, key: str, record: PlanRecord) -> Unfinished:
    """Return how far a model is, by what is on the disk."""
    sizes = [file.size for file in record.files]
    return Unfinished(
        key=key,
        source=record.source,
        revision=record.revision,
        stored_bytes=sum(file_bytes(layout, record, file) for file in record.files),
        total_bytes=sum(sizes) if min(sizes, default=0) >= 0 else 0,
        file_count=len(record.files),
        changed_at=max(_changed_at(path) for path in (layout.plan(key), *_journals(layout, record))),
    )


def _journals(layout: Layout, record: PlanRecord) -> list[Path]:
    return [layout.journal(file.partial) for file in record.files]


def _changed_at(path: Path) -> float:
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return 0.0


def blob_of(layout: Layout, record: PlanRecord, file: PlannedFile) -> str:
    """Return the digest of the blob that this file is already; empty when it is not whole."""
    found = record.found.get(file.partial)
    sha256 = file.sha256 or (found.sha256 if found is not None else "")
    size = found.size if found is not None else file.size
    try:
        is_there = bool(sha256) and os.stat(layout.blob(sha256)).st_size == size
    except FileNotFoundError:
        return ""
    return sha256 if is_there else ""


def file_bytes(layout: Layout, record: PlanRecord, file: PlannedFile) -> int:
    """Return how much of a file is there."""
    if sha256 := blob_of(layout, record, file):
        return os.stat(layout.blob(sha256)).st_size
    found = look(layout.journal(file.partial))
    if found is None:
        return 0
    head, whole = found
    return bytes_of(head, whole) + sum(read_begun(layout.begun(file.partial), head, whole).values())

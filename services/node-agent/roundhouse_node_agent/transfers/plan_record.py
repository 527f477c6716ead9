"""What the store remembers of a model that is being fetched: enough to go on, and to show it, after any kind of end."""

import hashlib
from pathlib import Path

import msgspec

from roundhouse_common.contracts.catalog import ModelSource
from roundhouse_node_agent.transfers.durable import write_durably
from roundhouse_node_agent.transfers.plan import FetchPlan, RemoteFile

__all__ = ["FoundBlob", "PlanRecord", "PlannedFile", "read_plan", "record_of", "write_plan"]


class PlannedFile(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    size: int
    sha256: str = ""
    git_sha1: str = ""
    partial: str
    """The name of what there is of it in `partial/`; models that share a file share it."""


class FoundBlob(msgspec.Struct, frozen=True, kw_only=True):
    """Which blob a file became whose SHA-256 nobody had stated."""

    sha256: str
    size: int


class PlanRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Its blobs are not deleted, as if the model were whole already."""

    source: ModelSource
    revision: str
    files: tuple[PlannedFile, ...]
    found: dict[str, FoundBlob] = {}
    """By the file's `partial` name."""

    def blobs(self) -> set[str]:
        """Return the digests that it refers to, whether they are there or not."""
        return {file.sha256 for file in self.files if file.sha256} | {blob.sha256 for blob in self.found.values()}


def record_of(key: str, plan: FetchPlan, before: PlanRecord | None) -> PlanRecord:
    """Return the record of a plan. What an earlier record found is kept where the plan still means the same file."""
    files = tuple(_planned(key, file) for file in plan.files)
    found = before.found if before is not None and before.revision == plan.revision else {}
    names = {file.partial: file.size for file in files}
    kept = {name: blob for name, blob in found.items() if names.get(name) in (-1, blob.size)}
    return PlanRecord(source=plan.source, revision=plan.revision, files=files, found=kept)


def _planned(key: str, file: RemoteFile) -> PlannedFile:
    name = file.sha256 or f"{key}-{hashlib.sha256(f'{file.path} {file.git_sha1}'.encode()).hexdigest()[:24]}"
    return PlannedFile(path=file.path, size=file.size, sha256=file.sha256, git_sha1=file.git_sha1, partial=name)


def read_plan(path: Path) -> PlanRecord | None:
    """Return the record; None when there is none, or none that can be understood."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=PlanRecord)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def write_plan(path: Path, record: PlanRecord) -> None:
    write_durably(path, msgspec.json.encode(record))

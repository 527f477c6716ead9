"""Uploads: files that somebody brings to the catalog, from where nodes fetch them; what is asked for is checked."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from roundhouse_catalog.domain.findings import Findings, quoted
from roundhouse_common.runtime import UnixTime

__all__ = ["MOST_FILES", "Upload", "UploadFile", "UploadFileDraft", "create_upload", "header_fault", "range_start"]

MOST_FILES: Final = 1000
_MOST_FAULTS: Final = 20
_MOST_PATH_CHARACTERS: Final = 512
_MOST_SEGMENT_BYTES: Final = 255
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_CONTENT_RANGE: Final = re.compile(r"bytes (?:(\d{1,19})-(\d{1,19})|\*)/(\d{1,19}|\*)")
_GGUF: Final = b"GGUF"
_MOST_SAFETENSORS_HEADER_BYTES: Final = 100_000_000
"""What the safetensors library itself allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadFileDraft:
    """A file to come, as the caller announces it."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadFile:
    """One file of an upload. Its number within the upload is its name on the disk."""

    number: int
    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Files that belong together. How much of each is there, the disk says."""

    upload_id: str
    tenant_id: str
    read_token: str
    """Lets nodes read it, without any permission of a user. Never shown, never logged."""
    created_at: UnixTime
    created_by: str
    touched_at: UnixTime
    """When the last request that brought bytes ended."""
    completed_at: UnixTime | None
    """When all files were whole; None until then."""
    files: tuple[UploadFile, ...]
    project_id: str = ""
    """Empty: of none."""

    @property
    def total_bytes(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def is_complete(self) -> bool:
        return self.completed_at is not None

    def file(self, path: str) -> UploadFile | None:
        """Return the file with this path, if it was announced."""
        return next((file for file in self.files if file.path == path), None)


def create_upload(
    drafts: Sequence[UploadFileDraft],
    *,
    upload_id: str,
    tenant_id: str,
    read_token: str,
    by: str,
    now: UnixTime,
    most_bytes: int,
    project_id: str = "",
) -> Upload:
    """Return the checked upload. Raises InvalidInput with the faults of all files."""
    findings = Findings()
    if not 1 <= len(drafts) <= MOST_FILES:
        findings.add("files", f"{len(drafts)} files found; 1 to {MOST_FILES} are allowed")
    for field, message in _file_faults(drafts[:MOST_FILES], most_bytes)[:_MOST_FAULTS]:
        findings.add(field, message)
    findings.refuse()
    total = sum(draft.size for draft in drafts)
    if total > most_bytes:
        findings.add("files", f"{total} bytes in all found; {most_bytes} are allowed")
    findings.refuse()
    return Upload(
        upload_id=upload_id,
        tenant_id=tenant_id,
        read_token=read_token,
        created_at=now,
        created_by=by,
        touched_at=now,
        completed_at=None,
        files=tuple(
            UploadFile(number=number, path=one.path, size=one.size, sha256=one.sha256)
            for number, one in enumerate(drafts, start=1)
        ),
        project_id=project_id,
    )


def range_start(header: str | None, file: UploadFile, *, stored: int) -> int | str:
    """Return the byte that a body begins at by its Content-Range, or what is wrong in words.

    Without the header it is the whole file, from its first byte. `bytes */SIZE` goes on where the file ends now.
    """
    if header is None:
        return 0
    found = _CONTENT_RANGE.fullmatch(header.strip())
    if found is None:
        return f"{quoted(header)} found; state bytes FIRST-LAST/SIZE, or bytes */SIZE to go on where it ends"
    first, last, total = found.groups()
    if total != "*" and int(total) != file.size:
        return f"{quoted(header)} found; {quoted(file.path)} was announced with {file.size} bytes"
    if first is None:
        return stored
    if int(last) >= file.size or int(first) > int(last) + 1:
        return f"{quoted(header)} found; {quoted(file.path)} has the bytes 0 to {file.size - 1}"
    return int(first)


def header_fault(path: str, head: bytes, size: int) -> str | None:
    """Return why a file cannot be what its name says, by its first bytes; None when it can, or nothing is known."""
    if path.endswith(".gguf") and not head.startswith(_GGUF):
        return f"{quoted(path)} does not begin with GGUF, so it is no GGUF file"
    if path.endswith(".safetensors"):
        length = int.from_bytes(head[:8], "little")
        is_header = len(head) > 8 and head[8:9] == b"{" and 2 <= length <= min(size - 8, _MOST_SAFETENSORS_HEADER_BYTES)
        if not is_header:
            return f"{quoted(path)} does not begin with a safetensors header"
    return None


def _file_faults(drafts: Sequence[UploadFileDraft], most_bytes: int) -> list[tuple[str, str]]:
    faults: list[tuple[str, str]] = []
    paths: dict[str, int] = {}
    folders = {str(parent): index for index, draft in enumerate(drafts) for parent in PurePosixPath(draft.path).parents}
    for index, draft in enumerate(drafts):
        field = f"files.{index}"
        if fault := _path_fault(draft.path):
            faults.append((f"{field}.path", fault))
        elif draft.path in paths:
            faults.append((f"{field}.path", f"{quoted(draft.path)} found twice"))
        elif draft.path in folders:
            faults.append((f"{field}.path", f"{quoted(draft.path)} is a folder of another file, and cannot be a file"))
        paths.setdefault(draft.path, index)
        if not 0 <= draft.size <= most_bytes:
            faults.append((f"{field}.size", f"{draft.size} found; 0 to {most_bytes} bytes are allowed"))
        if not _SHA256.fullmatch(draft.sha256):
            wanted = "state the 64 hex digits, in lower case, of the file's SHA-256"
            faults.append((f"{field}.sha256", f"{quoted(draft.sha256)} found; {wanted}"))
    return faults


def _path_fault(path: str) -> str | None:
    """It becomes a path below a node's store: nothing that leads out of it, nothing a file system would refuse."""
    wanted = 'state a relative path like "model.gguf" or "onnx/model.onnx"'
    if not 1 <= len(path) <= _MOST_PATH_CHARACTERS:
        return f"{len(path)} characters found; 1 to {_MOST_PATH_CHARACTERS} are allowed"
    if not path.isprintable() or "\\" in path:
        return f"{quoted(path)} has control characters or backslashes; {wanted}"
    segments = path.split("/")
    if any(segment in {"", ".", ".."} or segment != segment.strip() for segment in segments):
        return f"{quoted(path)} found; {wanted}, without empty parts, . and .. in it, and without blanks around names"
    if any(len(segment.encode()) > _MOST_SEGMENT_BYTES for segment in segments):
        return f"a name of more than {_MOST_SEGMENT_BYTES} bytes found in {quoted(path[:60])}"
    return None

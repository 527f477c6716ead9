"""Bodies of `/uploads`."""

from collections.abc import Mapping
from typing import Self

from pydantic import Field

from roundhouse_catalog.api.schemas import Body, View
from roundhouse_catalog.domain.uploads import Upload, UploadFile, UploadFileDraft
from roundhouse_common.http import Timestamp

__all__ = ["FileToUpload", "UploadFileView", "UploadListing", "UploadToCreate", "UploadView"]


class FileToUpload(Body):
    """One file that will come."""

    path: str = Field(description="Relative, e.g. `model.gguf`, as the engine will find it.", examples=["model.gguf"])
    size: int = Field(description="Bytes.")
    sha256: str = Field(description="64 hex digits. The file is compared with it once it is whole.")

    def draft(self) -> UploadFileDraft:
        return UploadFileDraft(path=self.path, size=self.size, sha256=self.sha256)


class UploadToCreate(Body):
    """The files of an upload, all of them: it is complete when they are whole."""

    files: list[FileToUpload] = Field(description="1 to 1000 files.")
    project_id: str = Field(default="", description="Whose quota of storage it counts against, beside the tenant's.")


class UploadFileView(View):
    """How far one file is."""

    path: str
    size: int
    sha256: str
    offset: int = Field(description="Bytes that are there: the next request goes on here.")
    is_whole: bool = Field(description="Whether it was compared with its SHA-256.")

    @classmethod
    def of(cls, file: UploadFile, *, offset: int, is_whole: bool) -> Self:
        return cls(path=file.path, size=file.size, sha256=file.sha256, offset=offset, is_whole=is_whole)


class UploadView(View):
    """Files that somebody brings."""

    id: str = Field(examples=["upl_0193a0c5f0d97c3e8a4b5c6d7e8f9012"])
    project_id: str
    state: str = Field(description="`open` until all files are whole, then `complete`.")
    files: list[UploadFileView]
    total_bytes: int
    stored_bytes: int
    created_at: Timestamp
    created_by: str
    completed_at: Timestamp | None
    expires_at: Timestamp | None = Field(description="When it is deleted unless something is added; null: complete.")

    @classmethod
    def of(cls, upload: Upload, offsets: Mapping[str, int], whole: frozenset[str], *, expiry_s: float) -> Self:
        return cls(
            id=upload.upload_id,
            project_id=upload.project_id,
            state="complete" if upload.is_complete else "open",
            files=[
                UploadFileView.of(one, offset=offsets[one.path], is_whole=one.path in whole) for one in upload.files
            ],
            total_bytes=upload.total_bytes,
            stored_bytes=sum(offsets.values()),
            created_at=upload.created_at,
            created_by=upload.created_by,
            completed_at=upload.completed_at,
            expires_at=None if upload.is_complete else upload.touched_at + expiry_s,
        )


class FileListed(View):
    """One file as nodes fetch it."""

    path: str
    size: int
    sha256: str


class UploadListing(View):
    """What nodes need to fetch an upload."""

    files: list[FileListed]

    @classmethod
    def of(cls, upload: Upload) -> Self:
        return cls(files=[FileListed(path=one.path, size=one.size, sha256=one.sha256) for one in upload.files])

"""`/api/v1/uploads`: files come in pieces, and nodes fetch them. Nothing of them is held in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import FileResponse
from starlette.requests import ClientDisconnect

from roundhouse_catalog.api.context import Catalog, CatalogHere, Paging, RepeatKey
from roundhouse_catalog.api.project_access import require_project_there
from roundhouse_catalog.api.quotas import require_room_for_upload
from roundhouse_catalog.api.responses import IN_USE, MISSING, UPLOADING
from roundhouse_catalog.api.upload_access import Readable, complete, find_file, find_upload, readable
from roundhouse_catalog.api.upload_schemas import UploadFileView, UploadListing, UploadToCreate, UploadView
from roundhouse_catalog.domain.errors import DiskFull, TooManyUploads, UploadIncomplete, UploadInUse, UploadStalled
from roundhouse_catalog.domain.findings import Findings
from roundhouse_catalog.domain.uploads import Upload, UploadFile, create_upload, range_start
from roundhouse_catalog.store import uploads as store
from roundhouse_catalog.store.upload_disk import Writer
from roundhouse_common.auth import Subject
from roundhouse_common.database import WriteSession
from roundhouse_common.errors import InvalidInput
from roundhouse_common.http import Page, page_of, requires
from roundhouse_common.http.idempotency import reply

__all__ = ["is_streamed", "router"]

_PREFIX: Final = "/api/v1/uploads"
router = APIRouter(prefix=_PREFIX, tags=["uploads"])
Uploader = Annotated[Subject, Depends(requires("models:write"))]
ReadableHere = Annotated[Readable, Depends(readable)]
ContentRange = Annotated[
    str | None,
    Header(description="`bytes FIRST-LAST/SIZE` goes on at FIRST, which is where the file ends. Absent: all of it."),
]
_FILE: Final = {"description": "The bytes", "content": {"application/octet-stream": {}}}
_READ: Any = {**MISSING, 200: _FILE, 206: _FILE}  # Any: what FastAPI takes as `responses`


def is_streamed(method: str, path: str) -> bool:
    """Whether the handler takes a body of any size, piece by piece."""
    return method == "PUT" and path.startswith(f"{_PREFIX}/")


@router.post("", status_code=201, response_model=UploadView, responses=UPLOADING)
async def begin_upload(body: UploadToCreate, subject: Uploader, key: RepeatKey, catalog: CatalogHere) -> Response:
    """Announce files. Send each with PUT; the upload is complete when all are whole."""
    uploads = catalog.uploads
    upload = create_upload(
        [file.draft() for file in body.files],
        upload_id=catalog.ids.new("upl"),
        tenant_id=subject.tenant_id,
        read_token=catalog.secret_bytes(32).hex(),
        by=subject.actor,
        now=catalog.clock.now(),
        most_bytes=uploads.most_bytes,
        project_id=body.project_id,
    )
    room_bytes = await _room_bytes(catalog)

    async def work(session: WriteSession) -> Response:
        await require_project_there(session, subject, body.project_id)
        await require_room_for_upload(session, upload)
        if len(await store.open_uploads(session)) >= uploads.most_open:
            raise TooManyUploads(uploads.most_open)
        if upload.total_bytes > room_bytes:
            raise DiskFull(f"the upload has {upload.total_bytes} bytes, and {max(0, room_bytes)} are left for uploads")
        await store.insert_upload(session, upload)
        view = UploadView.of(upload, {file.path: 0 for file in upload.files}, frozenset(), expiry_s=uploads.expiry_s)
        await catalog.audit.enter(session, after=view)
        return reply(view, 201, {"location": f"{_PREFIX}/{upload.upload_id}"})

    return await catalog.idempotency.run(key, subject, work)


@router.get("")
async def list_uploads(subject: Uploader, paging: Paging, catalog: CatalogHere) -> Page[UploadView]:
    """List uploads in the order of their creation."""
    async with catalog.db.read() as session:
        rows = await store.list_uploads(session, subject.tenant_id, limit=paging.fetch, after=paging.after or "")
    views = {upload.upload_id: await _view(catalog, upload) for upload in rows}
    return page_of(rows, paging, key=lambda upload: upload.upload_id, item=lambda upload: views[upload.upload_id])


@router.get("/{upload_id}", response_model=UploadView | UploadListing, responses=MISSING)
async def show_upload(found: ReadableHere, catalog: CatalogHere) -> Response:
    """Show how far an upload is. With the upload's own token: what a node needs to fetch it, once it is complete."""
    if found.is_by_token:
        return reply(UploadListing.of(found.upload))
    return reply(await _view(catalog, found.upload))


@router.delete("/{upload_id}", status_code=204, responses={**MISSING, **IN_USE})
async def remove_upload(upload_id: str, subject: Uploader, catalog: CatalogHere) -> None:
    """Delete an upload with its files. Refused while a model or a deployment needs it."""
    async with catalog.db.write() as session:
        upload = await find_upload(session, subject, upload_id)
        if users := await store.users_of_upload(session, upload.upload_id):
            raise UploadInUse(upload.upload_id, users)
        await store.delete_upload(session, upload.upload_id)
        await catalog.audit.enter(session, object_id=upload.upload_id)
    await catalog.uploads.disk.remove(upload.upload_id)


@router.put("/{upload_id}/files/{path:path}", response_model=UploadFileView, responses={**MISSING, **UPLOADING})
async def send_file(
    upload_id: str,
    path: str,
    request: Request,
    subject: Uploader,
    catalog: CatalogHere,
    content_range: ContentRange = None,
) -> Response:
    """Send a file, or the part of it that is still missing. What came of a request that was cut off is kept.

    With the last byte the file is compared with its SHA-256; one that differs is dropped. A file that is whole stays
    as it is.
    """
    async with catalog.db.read() as session:
        upload = await find_upload(session, subject, upload_id)
    file = find_file(upload, path)
    if path not in await catalog.uploads.disk.whole(upload):
        offset = await _take(catalog, upload, file, request, content_range)
        if offset < file.size:
            await _touch(catalog, upload)
            return _file_reply(file, offset=offset, is_whole=False)
        await catalog.uploads.disk.verify(upload, file)
    await _touch(catalog, upload)
    return _file_reply(file, offset=file.size, is_whole=True)


@router.head("/{upload_id}/files/{path:path}", responses={**MISSING})
async def show_file(path: str, found: ReadableHere, catalog: CatalogHere) -> Response:
    """Tell in `upload-offset` how many bytes of a file are there."""
    file = find_file(found.upload, path)
    disk = catalog.uploads.disk
    offset, is_whole = (await disk.offsets(found.upload))[path], path in await disk.whole(found.upload)
    headers = {"content-length": str(file.size), "accept-ranges": "bytes"} if is_whole else {}
    return Response(headers={**headers, **_progress(file, offset)}, media_type="application/octet-stream")


@router.get("/{upload_id}/files/{path:path}", response_class=FileResponse, responses=_READ)
async def fetch_file(path: str, found: ReadableHere, catalog: CatalogHere) -> Response:
    """Read a file of a complete upload, or the part that `Range` says."""
    file = find_file(complete(found.upload), path)
    if path not in await catalog.uploads.disk.whole(found.upload):
        raise UploadIncomplete(found.upload.upload_id)  # the record came back from a copy, and the file did not
    return _Bytes(
        catalog.uploads.disk.path_of(found.upload, file),
        media_type="application/octet-stream",
        headers={"etag": f'"{file.sha256}"'},
    )


class _Bytes(FileResponse):
    chunk_size = 1024 * 1024


async def _take(catalog: Catalog, upload: Upload, file: UploadFile, request: Request, content_range: str | None) -> int:
    """Write what the request brings and return where the file ends then."""
    disk = catalog.uploads.disk
    start = range_start(content_range, file, stored=(await disk.offsets(upload))[file.path])
    findings = Findings()
    if isinstance(start, str):
        findings.add("content-range", start)
        findings.refuse()
    assert isinstance(start, int)
    findings.add("content-length", _length_fault(request, file, start, is_part=content_range is not None))
    findings.refuse()
    async with disk.writing(upload, file, start) as writer:
        is_stalled = await _pour(request, writer, file, idle_s=catalog.uploads.idle_s)
    if is_stalled:
        raise UploadStalled(catalog.uploads.idle_s, writer.offset)
    return writer.offset


async def _pour(request: Request, writer: Writer, file: UploadFile, *, idle_s: float) -> bool:
    """Write the body; return whether the client fell silent. One that goes away has sent what it has sent."""
    with suppress(ClientDisconnect):
        pieces: AsyncIterator[bytes] = aiter(request.stream())
        while True:
            try:
                piece = await asyncio.wait_for(anext(pieces, b""), idle_s)
            except TimeoutError:
                return True
            if not piece:
                return False
            if writer.offset + len(piece) > file.size:
                raise InvalidInput(f"The body is longer than the {file.size} bytes that were announced.")
            await writer.write(piece)
    return False


def _length_fault(request: Request, file: UploadFile, start: int, *, is_part: bool) -> str | None:
    stated = request.headers.get("content-length", "")
    if not stated.isdecimal():
        return None
    length, room = int(stated), file.size - start
    if length > room or (length < room and not is_part):
        return f"{length} bytes found; {room} bytes of {file.path} are missing"
    return None


async def _touch(catalog: Catalog, upload: Upload) -> None:
    """Note that something came; when all files are whole, that the upload is complete."""
    whole = await catalog.uploads.disk.whole(upload)
    async with catalog.db.write() as session:
        note = store.complete_upload if len(whole) == len(upload.files) else store.touch_upload
        await note(session, upload.upload_id, now=catalog.clock.now())


async def _view(catalog: Catalog, upload: Upload) -> UploadView:
    disk = catalog.uploads.disk
    offsets, whole = await disk.offsets(upload), await disk.whole(upload)
    return UploadView.of(upload, offsets, whole, expiry_s=catalog.uploads.expiry_s)


async def _room_bytes(catalog: Catalog) -> int:
    """Return what is free for another upload: less the headroom, and less what begun ones still have to bring."""
    disk = catalog.uploads.disk
    async with catalog.db.read() as session:
        begun = await store.open_uploads(session)
    missing = [one.total_bytes - sum((await disk.offsets(one)).values()) for one in begun]
    return await disk.free_bytes() - catalog.uploads.headroom_bytes - sum(missing)


def _file_reply(file: UploadFile, *, offset: int, is_whole: bool) -> Response:
    return reply(UploadFileView.of(file, offset=offset, is_whole=is_whole), headers=_progress(file, offset))


def _progress(file: UploadFile, offset: int) -> dict[str, str]:
    return {"upload-offset": str(offset), "upload-length": str(file.size)}

"""Who may read an upload: a user with the permission, or a node with the upload's own token in the address."""

import hmac
from typing import Annotated

from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from roundhouse_catalog.api.context import CatalogHere
from roundhouse_catalog.domain.errors import UploadIncomplete, UploadNotFound
from roundhouse_catalog.domain.uploads import Upload, UploadFile
from roundhouse_catalog.store import uploads as store
from roundhouse_common.auth import Subject
from roundhouse_common.database import ReadSession
from roundhouse_common.errors import Unauthenticated
from roundhouse_common.http import requires

__all__ = ["Readable", "complete", "find_file", "find_upload"]

_bearer = HTTPBearer(auto_error=False, scheme_name="Access token", bearerFormat="JWT")
_permitted = requires("models:write")


class Readable:
    """An upload that the caller may read, and whether they came with its token, as nodes do."""

    def __init__(self, upload: Upload, *, is_by_token: bool) -> None:
        self.upload = upload
        self.is_by_token = is_by_token


async def readable(
    upload_id: str,
    request: Request,
    catalog: CatalogHere,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    token: Annotated[str | None, Query(description="The upload's own secret, in place of an access token.")] = None,
) -> Readable:
    """Return the upload (a FastAPI dependency). An unknown upload and a wrong token are answered alike."""
    if token is None:
        subject = await _permitted(request, credentials)
        async with catalog.db.read() as session:
            return Readable(await find_upload(session, subject, upload_id), is_by_token=False)
    async with catalog.db.read() as session:
        upload = await store.find_upload_anywhere(session, upload_id)
    if upload is None or not hmac.compare_digest(upload.read_token.encode(), token.encode()):
        raise Unauthenticated("This token does not open the upload. It comes with the source of a model.")
    return Readable(complete(upload), is_by_token=True)


async def find_upload(session: ReadSession, subject: Subject, upload_id: str) -> Upload:
    """Return the upload. Raises UploadNotFound."""
    upload = await store.find_upload(session, subject.tenant_id, upload_id)
    if upload is None:
        raise UploadNotFound(upload_id)
    return upload


def find_file(upload: Upload, path: str) -> UploadFile:
    """Return the file with this path. Raises UploadNotFound."""
    file = upload.file(path)
    if file is None:
        raise UploadNotFound(upload.upload_id, path)
    return file


def complete(upload: Upload) -> Upload:
    """Return the upload. Raises UploadIncomplete unless all its files are whole."""
    if not upload.is_complete:
        raise UploadIncomplete(upload.upload_id)
    return upload

"""Uploads in SQL: what was announced, and what is complete. The bytes are in `upload_disk.py`."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, Text, cast, delete, func, insert, select, update

from roundhouse_catalog.domain.uploads import Upload, UploadFile
from roundhouse_catalog.store import tables
from roundhouse_common.contracts.catalog import SourceKind
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.runtime import UnixTime

__all__ = [
    "complete_upload",
    "delete_upload",
    "find_upload",
    "find_upload_anywhere",
    "insert_upload",
    "list_uploads",
    "open_uploads",
    "stored_bytes",
    "touch_upload",
    "upload_ids",
    "users_of_upload",
]

_U = tables.uploads.c
_F = tables.upload_files.c
_MOST_USERS = 10


async def insert_upload(session: WriteSession, upload: Upload) -> None:
    await session.execute(
        insert(tables.uploads).values(
            id=upload.upload_id,
            tenant_id=upload.tenant_id,
            read_token=upload.read_token,
            created_at=upload.created_at,
            created_by=upload.created_by,
            touched_at=upload.touched_at,
            completed_at=upload.completed_at,
            project_id=upload.project_id,
        )
    )
    rows = [
        {"upload_id": upload.upload_id, "number": one.number, "path": one.path, "size": one.size, "sha256": one.sha256}
        for one in upload.files
    ]
    await session.execute(insert(tables.upload_files), rows)


async def find_upload(session: ReadSession, tenant_id: str, upload_id: str) -> Upload | None:
    return await _one(session, select(tables.uploads).where(_U.id == upload_id, _U.tenant_id == tenant_id))


async def find_upload_anywhere(session: ReadSession, upload_id: str) -> Upload | None:
    """Return the upload of whatever tenant: for whoever has its token."""
    return await _one(session, select(tables.uploads).where(_U.id == upload_id))


async def list_uploads(session: ReadSession, tenant_id: str, *, limit: int, after: str = "") -> list[Upload]:
    """Return uploads in the order of their creation, beginning after the id `after`."""
    query = select(tables.uploads).where(_U.tenant_id == tenant_id, _U.id > after).order_by(_U.id).limit(limit)
    return await _many(session, query)


async def stored_bytes(session: ReadSession, tenant_id: str) -> dict[str, int]:
    """Return the bytes that the tenant's uploads were announced with, by project id; empty: of none."""
    query = (
        select(_U.project_id, func.sum(_F.size))
        .join(tables.upload_files, _F.upload_id == _U.id)
        .where(_U.tenant_id == tenant_id)
        .group_by(_U.project_id)
    )
    return {row[0]: int(row[1]) for row in await session.execute(query)}


async def open_uploads(session: ReadSession) -> list[Upload]:
    """Return the uploads of all tenants that are not complete."""
    return await _many(session, select(tables.uploads).where(_U.completed_at.is_(None)).order_by(_U.id))


async def upload_ids(session: ReadSession) -> frozenset[str]:
    return frozenset(await session.scalars(select(_U.id)))


async def touch_upload(session: WriteSession, upload_id: str, *, now: UnixTime) -> None:
    await session.execute(update(tables.uploads).where(_U.id == upload_id).values(touched_at=now))


async def complete_upload(session: WriteSession, upload_id: str, *, now: UnixTime) -> None:
    """Note that all files are whole. The first time counts."""
    values = {"touched_at": now, "completed_at": func.coalesce(_U.completed_at, now)}
    await session.execute(update(tables.uploads).where(_U.id == upload_id).values(values))


async def delete_upload(session: WriteSession, upload_id: str) -> None:
    await session.execute(delete(tables.upload_files).where(_F.upload_id == upload_id))
    await session.execute(delete(tables.uploads).where(_U.id == upload_id))


async def users_of_upload(session: ReadSession, upload_id: str) -> list[str]:
    """Return in words who needs the upload: models, and deployments that have a version made of it."""
    address = f"%/uploads/{upload_id}?%"
    models = select(tables.models.c.name).where(
        tables.models.c.deleted_at.is_(None),
        tables.models.c.source_kind == SourceKind.UPLOAD.value,
        tables.models.c.source_uri.like(address),
    )
    deployments = (
        select(tables.deployments.c.name)
        .join(tables.versions, tables.versions.c.deployment_id == tables.deployments.c.id)
        .where(tables.deployments.c.deleted_at.is_(None), cast(tables.versions.c.spec, Text).like(address))
        .distinct()
    )
    found = [f"the model {name}" for name in await session.scalars(models.limit(_MOST_USERS))]
    return found + [f"the deployment {name}" for name in await session.scalars(deployments.limit(_MOST_USERS))]


async def _one(session: ReadSession, query: Select[Any]) -> Upload | None:  # Any: rows of the whole table
    found = await _many(session, query)
    return found[0] if found else None


async def _many(session: ReadSession, query: Select[Any]) -> list[Upload]:  # Any: rows of the whole table
    rows = list(await session.execute(query))
    files: dict[str, list[UploadFile]] = {row.id: [] for row in rows}
    of_these = select(tables.upload_files).where(_F.upload_id.in_(list(files))).order_by(_F.upload_id, _F.number)
    for row in await session.execute(of_these) if files else ():
        files[row.upload_id].append(UploadFile(number=row.number, path=row.path, size=row.size, sha256=row.sha256))
    return [_upload(row, files[row.id]) for row in rows]


def _upload(row: Row[Any], files: Sequence[UploadFile]) -> Upload:  # Any: a row of `uploads`
    return Upload(
        upload_id=row.id,
        tenant_id=row.tenant_id,
        read_token=row.read_token,
        created_at=UnixTime(row.created_at),
        created_by=row.created_by,
        touched_at=UnixTime(row.touched_at),
        completed_at=None if row.completed_at is None else UnixTime(row.completed_at),
        files=tuple(files),
        project_id=row.project_id,
    )

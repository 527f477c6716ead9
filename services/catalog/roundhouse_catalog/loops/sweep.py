"""Forgets old Idempotency-Keys, and uploads that nobody finishes."""

import asyncio
from typing import NoReturn

import structlog

from roundhouse_catalog.store import uploads as store
from roundhouse_catalog.store.upload_disk import UploadDisk
from roundhouse_common.database import Database
from roundhouse_common.http.idempotency import Idempotency
from roundhouse_common.runtime import Clock

__all__ = ["drop_expired_uploads", "sweep_idempotency_keys", "sweep_uploads"]

_log = structlog.get_logger("roundhouse.catalog")


async def sweep_idempotency_keys(idempotency: Idempotency, *, every_s: float) -> NoReturn:
    """Remove what is older than 24 hours, now and every `every_s`. A missed round costs only space."""
    while True:
        await idempotency.sweep()
        await asyncio.sleep(every_s)


async def sweep_uploads(db: Database, disk: UploadDisk, clock: Clock, *, expiry_s: float, every_s: float) -> NoReturn:
    """Drop expired uploads, now and every `every_s`. A missed round costs only space."""
    while True:
        await drop_expired_uploads(db, disk, clock, expiry_s=expiry_s)
        await asyncio.sleep(every_s)


async def drop_expired_uploads(db: Database, disk: UploadDisk, clock: Clock, *, expiry_s: float) -> list[str]:
    """Delete unfinished uploads to which nothing was added for so long, and return their ids.

    Directories that no row knows go too: their upload was deleted while the service ended.
    """
    before = clock.now() - expiry_s
    async with db.read() as session:
        begun = await store.open_uploads(session)
        known = await store.upload_ids(session)
    dropped = []
    for upload in begun:
        if max(upload.touched_at, await disk.written_at(upload.upload_id)) >= before:
            continue
        async with db.write() as session:
            current = await store.find_upload_anywhere(session, upload.upload_id)
            if current is None or current.is_complete or current.touched_at != upload.touched_at:
                continue
            await store.delete_upload(session, upload.upload_id)
        dropped.append(upload.upload_id)
    for upload_id in (await disk.directories()) - known:
        if await disk.written_at(upload_id) < before:
            dropped.append(upload_id)
    for upload_id in dropped:
        await disk.remove(upload_id)
        _log.info("catalog.upload_expired", upload_id=upload_id)
    return dropped

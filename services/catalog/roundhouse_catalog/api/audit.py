"""`/api/v1/audit`: who did what to which object, from where. Nothing here changes an entry."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from roundhouse_catalog.api.audit_schemas import (
    EntryView,
    HeadView,
    SealedView,
    SealToMake,
    VerifiedView,
    csv_head,
    csv_line,
)
from roundhouse_catalog.api.context import Catalog, CatalogHere, Paging
from roundhouse_catalog.api.finding import cursor_number
from roundhouse_catalog.domain.audit_chain import Break, Entry, Head
from roundhouse_catalog.store import audit as store
from roundhouse_catalog.store.audit import Filter
from roundhouse_common.auth import PERMISSIONS, Subject
from roundhouse_common.errors import FieldError, InvalidInput
from roundhouse_common.http import Moment, Page, page_of, requires
from roundhouse_common.runtime import UnixTime

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["audit"])
Reader = Annotated[Subject, Depends(requires("audit:read"))]
Administrator = Annotated[Subject, Depends(requires("platform:admin"))]
_Moment = Annotated[Moment | None, Query()]
_BATCH = 500
_MEDIA_TYPES = {"ndjson": "application/x-ndjson", "csv": "text/csv"}


async def wanted(
    subject: Reader,
    tenant_id: Annotated[str | None, Query(description="Of one tenant; only with a role on the platform.")] = None,
    actor: Annotated[str | None, Query(description="E.g. user:usr_admin.")] = None,
    action: Annotated[str | None, Query(description="E.g. deployment.stop; `deployment.` for all of a kind.")] = None,
    object_kind: str | None = None,
    object_id: str | None = None,
    outcome: Annotated[Literal["done", "refused", "failed"] | None, Query()] = None,
    since: _Moment = None,
    until: _Moment = None,
) -> Filter:
    """Read the filters (a FastAPI dependency): who has no role on the platform sees their own tenant only."""
    is_platform = any("audit:read" in PERMISSIONS[role] for role in subject.platform_roles)
    return Filter(
        tenant_id=tenant_id if is_platform else subject.tenant_id,
        actor=actor,
        action=action,
        object_kind=object_kind,
        object_id=object_id,
        outcome=outcome,
        since=since.timestamp() if since else None,
        until=until.timestamp() if until else None,
    )


Wanted = Annotated[Filter, Depends(wanted)]


@router.get("/audit")
async def list_audit(wanted: Wanted, paging: Paging, catalog: CatalogHere) -> Page[EntryView]:
    """List entries of the tenant, the newest first; with a role on the platform those of all tenants."""
    before = cursor_number(paging.after) if paging.after else None
    async with catalog.db.read() as session:
        rows = await store.list_entries(session, wanted, limit=paging.fetch, before=before)
    return page_of(rows, paging, key=lambda entry: str(entry.sequence), item=EntryView.of)


@router.get(
    "/audit:export",
    response_class=StreamingResponse,
    responses={200: {"content": {kind: {"schema": {"type": "string"}} for kind in _MEDIA_TYPES.values()}}},
)
async def export_audit(
    wanted: Wanted,
    catalog: CatalogHere,
    format: Literal["ndjson", "csv"] = "ndjson",  # noqa: A002 - the API's name
) -> StreamingResponse:
    """Give out every entry that fits, the oldest first, as it was when its part was read."""
    name = {"content-disposition": f'attachment; filename="audit.{format}"'}
    return StreamingResponse(_lines(catalog, wanted, format), media_type=_MEDIA_TYPES[format], headers=name)


@router.get("/audit:head")
async def show_audit_head(subject: Administrator, catalog: CatalogHere) -> HeadView:
    """Show where the chain ends: keep it elsewhere, and check against it later."""
    async with catalog.db.read() as session:
        return HeadView.of(await store.head(session))


@router.get("/audit:verify")
async def verify_audit(
    subject: Administrator,
    catalog: CatalogHere,
    anchor: Annotated[
        str | None, Query(description="A head from before, as `SEQUENCE:HASH`: it must still be in the chain.")
    ] = None,
) -> VerifiedView:
    """Walk over the whole chain, of all tenants, and tell the first entry that does not hold."""
    expected = None if anchor is None else _head_of(anchor)
    async with catalog.db.read() as session:
        sealed = await store.sealed_head(session)
    outcome: Head | Break = sealed
    checked, is_anchored = 0, expected is None or expected.sequence <= sealed.sequence
    while isinstance(outcome, Head):
        async with catalog.db.read() as session:
            following = await store.verified_after(session, outcome, expected, limit=_BATCH)
        if following is None:
            break
        checked += following.checked
        is_anchored = is_anchored or following.is_anchored
        outcome = following.outcome
    if isinstance(outcome, Head) and expected is not None and not is_anchored:
        outcome = Break(sequence=outcome.sequence + 1, why=f"it ends before entry {expected.sequence}, which was there")
    return VerifiedView.found(outcome, checked=checked, sealed=sealed)


@router.post("/audit:seal")
async def seal_audit(body: SealToMake, subject: Administrator, catalog: CatalogHere) -> SealedView:
    """Remove the oldest entries, all tenants', and keep the hash that the rest follows from. The last one stays."""
    now = catalog.clock.now()
    before = UnixTime(min(body.before.timestamp(), now))
    async with catalog.db.write() as session:
        sealed = await store.seal(session, before=before, at=now, actor=subject.actor)
        removed = await store.remove_sealed(session) if sealed else 0
        last = sealed or await store.sealed_head(session)
        await catalog.audit.enter(
            session, detail=f"{removed} entries up to {last.sequence} ({last.hash})", tenant_id=""
        )
    return SealedView(removed=removed, sealed=HeadView.of(last))


async def _lines(catalog: Catalog, wanted: Filter, kind: str) -> AsyncIterator[str]:
    """Yield the export in parts; no session is open while the client takes one."""
    if kind == "csv":
        yield csv_head()
    after = 0
    while True:
        async with catalog.db.read() as session:
            entries: Sequence[Entry] = await store.list_entries(session, wanted, limit=_BATCH, after=after)
        if not entries:
            return
        views = [EntryView.of(entry) for entry in entries]
        yield "".join(csv_line(one) if kind == "csv" else one.model_dump_json() + "\n" for one in views)
        after = entries[-1].sequence


def _head_of(text: str) -> Head:
    number, _, digest = text.partition(":")
    if not (number.isascii() and number.isdigit() and len(number) <= 18 and len(digest) == 64):
        fault = "want SEQUENCE:HASH, as `roundhouse audit head` prints it"
        raise InvalidInput(f"anchor: {fault}", FieldError("anchor", fault))
    return Head(sequence=int(number), hash=digest)

"""What has no price yet, and pricing a period again."""

from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from roundhouse_common.auth import Subject, allowed
from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_common.database import Database
from roundhouse_common.errors import FieldError, Forbidden, InvalidInput
from roundhouse_common.http import Body, Moment, Timestamp, moment_of, requires
from roundhouse_common.http.audit import enter_change
from roundhouse_common.pricing import PriceTable
from roundhouse_common.routing import PLATFORM
from roundhouse_common.runtime import Clock, Ids
from roundhouse_metering.domain.pricing import priced
from roundhouse_metering.domain.repricing import Repriced, corrected_charges, reprice
from roundhouse_metering.store.budgets import add_charges, budgets_of_tenants
from roundhouse_metering.store.costs import all_prices
from roundhouse_metering.store.notices import note_thresholds
from roundhouse_metering.store.repricing import (
    Unpriced,
    insert_corrections,
    priced_page,
    records_named,
    unpriced_groups,
)

__all__ = ["repricing_routes"]

_Reader = Annotated[Subject, Depends(requires("usage:read"))]
_Writer = Annotated[Subject, Depends(requires("prices:write"))]
_AT_ONCE: Final = 500
"""Records in one transaction."""
_MOST: Final = 20_000
"""Records in one call."""
_MOST_MODELS: Final = 200
_MOST_DIGITS: Final = 18
_TIME: Final = "RFC 3339, with a zone; of the requests' admission."


class UnpricedItem(BaseModel):
    """Requests of one kind that have no cost."""

    model: str
    provider_id: str
    deployment_id: str
    operation: str
    records: int
    first_at: Timestamp
    last_at: Timestamp
    request_id: str = Field(description="One of them.")
    has_price_now: bool = Field(description="It would have a cost by now: price the time again.")


class UnpricedAnswer(BaseModel):
    """What has no cost, the most frequent first; at most 200 kinds."""

    items: list[UnpricedItem]
    records: int = Field(description="Of the kinds listed.")


class RepriceBody(Body):
    """Which requests to price again."""

    since: Moment = Field(description=_TIME)
    until: Moment = Field(description=_TIME)
    tenant_id: str = Field(default="", description="Absent: the caller's own.")
    reason: str = Field(min_length=1, max_length=500)
    is_dry_run: bool = Field(default=True, description="Only say what would become of it.")
    cursor: str | None = Field(default=None, max_length=200, description="`next_cursor` of the call before.")


class RepricedModel(BaseModel):
    """What becomes of the requests of one model that change."""

    model: str
    changed: int
    became_priced: int
    delta_nano: int


class RepriceAnswer(BaseModel):
    """What became of the requests of this call. Done again it changes nothing."""

    is_dry_run: bool
    examined: int
    changed: int
    became_priced: int
    still_unpriced: int
    delta_nano: int = Field(description="What the requests cost more than before, or less.")
    models: list[RepricedModel] = Field(description="The differences by model, the largest first; at most 200.")
    next_cursor: str | None = Field(description="Send it for the rest; null: that was all.")


def repricing_routes(db: Database, clock: Clock, ids: Ids, wake: Callable[[], None]) -> APIRouter:
    """Return /api/v1/usage/unpriced and /api/v1/usage:reprice."""
    routes = APIRouter(prefix="/api/v1", tags=["prices"])

    @routes.get("/usage/unpriced")
    async def list_unpriced(
        subject: _Reader,
        since: Annotated[Moment | None, Query(description=_TIME)] = None,
        until: Annotated[Moment | None, Query(description=_TIME)] = None,
    ) -> UnpricedAnswer:
        """List requests of the caller's tenant that have no cost, by what they were for."""
        begin, end = since.timestamp() if since else 0.0, until.timestamp() if until else clock.now() + 86_400
        if begin >= end:
            raise InvalidInput("The range is empty.", FieldError("since", "must be earlier than until"))
        async with db.read() as session:
            found = await unpriced_groups(session, subject.tenant_id, since=begin, until=end)
            prices = PriceTable(await all_prices(session)) if found else PriceTable()
            examples = await records_named(session, subject.tenant_id, [one.request_id for one in found])
        items = [_item(one, prices, examples.get(one.request_id)) for one in found]
        return UnpricedAnswer(items=items, records=sum(one.records for one in found))

    @routes.post("/usage:reprice")
    async def reprice_usage(body: RepriceBody, subject: _Writer) -> RepriceAnswer:
        """Price requests again by the prices that are known now for the time of their admission. What differs is added
        as a correction; the ledger stays as it is."""
        if not allowed(subject, "prices:write", PLATFORM):
            raise Forbidden("Prices are the platform's: only a role on the platform may price anything again.")
        since, until = body.since.timestamp(), body.until.timestamp()
        if since >= until:
            raise InvalidInput("until: it must be later than since.", FieldError("until", "later than since"))
        tenant_id, total = body.tenant_id or subject.tenant_id, Repriced()
        after = _position(body.cursor)
        while total.examined < _MOST:
            async with db.read() as session:
                prices = PriceTable(await all_prices(session))
            async with db.write() as session:
                page = await priced_page(session, tenant_id, since=since, until=until, after=after, limit=_AT_ONCE)
                made = reprice(page, prices, body.reason, total)
                if made and not body.is_dry_run:
                    now = clock.now()
                    await insert_corrections(session, made, now=now, actor=subject.actor)
                    detail = f"{len(made)} corrections for {tenant_id}: {body.reason}"
                    await enter_change(session, detail=detail, action="usage.reprice", tenant_id=tenant_id)
                    budgets = await budgets_of_tenants(session, {tenant_id})
                    charged = await add_charges(session, budgets, corrected_charges(made, budgets), is_new_epoch=True)
                    await note_thresholds(session, charged, now=now, ids=ids)
                    session.after_commit(wake)
            if len(page) < _AT_ONCE:
                after = None
                break
            after = page[-1].record.admitted_at, page[-1].entry
        return RepriceAnswer(
            is_dry_run=body.is_dry_run,
            examined=total.examined,
            changed=total.changed,
            became_priced=total.became_priced,
            still_unpriced=total.still_unpriced,
            delta_nano=total.delta_nano,
            models=_models(total),
            next_cursor=None if after is None else f"{after[0]!r}/{after[1]}",
        )

    return routes


def _models(total: Repriced) -> list[RepricedModel]:
    largest = sorted(total.by_model.items(), key=lambda item: (-abs(item[1].delta_nano), -item[1].changed, item[0]))
    return [
        RepricedModel(model=model, changed=one.changed, became_priced=one.became_priced, delta_nano=one.delta_nano)
        for model, one in largest[:_MOST_MODELS]
    ]


def _position(cursor: str | None) -> tuple[float, int] | None:
    if cursor is None:
        return None
    admitted_at, entry = moment_of(cursor)
    if not (entry.isascii() and entry.isdigit() and len(entry) <= _MOST_DIGITS):
        raise InvalidInput("cursor: send a `next_cursor` unchanged.", FieldError("cursor", "send it unchanged"))
    return admitted_at, int(entry)


def _item(one: Unpriced, prices: PriceTable, example: UsageRecord | None) -> UnpricedItem:
    return UnpricedItem(
        model=one.model_served,
        provider_id=one.provider_id,
        deployment_id=one.deployment_id,
        operation=one.operation,
        records=one.records,
        first_at=one.first_at,
        last_at=one.last_at,
        request_id=one.request_id,
        has_price_now=example is not None and priced(example, prices).cost_nano is not None,
    )

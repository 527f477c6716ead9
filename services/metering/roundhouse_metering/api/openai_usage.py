"""OpenAI's `/v1/organization/usage/*` and `/costs`: for programs that read those. Tokens are access tokens of ours."""

import enum
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from roundhouse_common.auth import Subject
from roundhouse_common.contracts.money import NANO
from roundhouse_common.contracts.usage import INPUT_CLASSES, OUTPUT_CLASSES
from roundhouse_common.database import Database
from roundhouse_common.errors import FieldError, InvalidInput
from roundhouse_common.http import requires
from roundhouse_common.runtime import Clock
from roundhouse_metering.api.usage_scope import scoped
from roundhouse_metering.domain.amounts import Amounts
from roundhouse_metering.domain.usage import BucketWidth, Dimension, UsageQuery
from roundhouse_metering.store.analytics import currency, usage_figures

__all__ = ["openai_usage_routes"]

_Caller = Annotated[Subject, Depends(requires("usage:own", in_projects=True))]


class UsageKind(enum.StrEnum):
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    IMAGES = "images"
    AUDIO_SPEECHES = "audio_speeches"
    AUDIO_TRANSCRIPTIONS = "audio_transcriptions"
    MODERATIONS = "moderations"
    VECTOR_STORES = "vector_stores"
    CODE_INTERPRETER_SESSIONS = "code_interpreter_sessions"


class GroupBy(enum.StrEnum):
    PROJECT = "project_id"
    USER = "user_id"
    KEY = "api_key_id"
    MODEL = "model"
    LINE_ITEM = "line_item"
    """Of costs: the model, as what costs are told by."""
    BATCH = "batch"
    """This one and the following are null in every result: nothing here is told apart by them."""
    SERVICE_TIER = "service_tier"
    API_SOURCE = "api_source"
    SIZE = "size"
    SOURCE = "source"


class Width(enum.StrEnum):
    MINUTE = "1m"
    HOUR = "1h"
    DAY = "1d"


class Bucket(BaseModel):
    object: str = "bucket"
    start_time: int
    end_time: int
    results: list[dict[str, Any]]


class UsagePage(BaseModel):
    """A page of buckets; empty ones have no results."""

    object: str = "page"
    data: list[Bucket]
    has_more: bool
    next_page: str | None


_OPERATIONS: Final[Mapping[UsageKind, frozenset[str]]] = {
    UsageKind.COMPLETIONS: frozenset(("chat", "text_completion")),
    UsageKind.EMBEDDINGS: frozenset(("embeddings", "rerank", "score")),
    UsageKind.IMAGES: frozenset(("image_generation",)),
    UsageKind.AUDIO_SPEECHES: frozenset(("speech",)),
    UsageKind.AUDIO_TRANSCRIPTIONS: frozenset(("transcription", "translation")),
}
"""Of the other kinds there is none here."""
_DIMENSIONS: Final = {
    GroupBy.PROJECT: Dimension.PROJECT,
    GroupBy.USER: Dimension.USER,
    GroupBy.KEY: Dimension.KEY,
    GroupBy.MODEL: Dimension.MODEL,
}
_LIMITS: Final = {Width.MINUTE: (60, 1_440), Width.HOUR: (24, 168), Width.DAY: (7, 31)}
"""Buckets in a page: by default, and at the most."""
_COSTS_MOST: Final = 180
_GROUPS: Final = (GroupBy.PROJECT, GroupBy.USER, GroupBy.KEY, GroupBy.MODEL)
_NOTHING: Final[frozenset[str]] = frozenset()


_Ids = Annotated[list[str] | None, Query(max_length=100)]


def _listed(name: str) -> Any:  # Any: a parameter of a query
    """Return the same parameter as OpenAI's own clients write it: `models[]=a&models[]=b`."""
    return Query(alias=f"{name}[]", max_length=100, include_in_schema=False)


class _Filters:
    def __init__(
        self,
        project_ids: _Ids = None,
        user_ids: _Ids = None,
        api_key_ids: _Ids = None,
        models: _Ids = None,
        line_items: _Ids = None,
        project_ids_listed: Annotated[list[str] | None, _listed("project_ids")] = None,
        user_ids_listed: Annotated[list[str] | None, _listed("user_ids")] = None,
        api_key_ids_listed: Annotated[list[str] | None, _listed("api_key_ids")] = None,
        models_listed: Annotated[list[str] | None, _listed("models")] = None,
        line_items_listed: Annotated[list[str] | None, _listed("line_items")] = None,
    ) -> None:
        given = {
            GroupBy.PROJECT: (project_ids, project_ids_listed),
            GroupBy.USER: (user_ids, user_ids_listed),
            GroupBy.KEY: (api_key_ids, api_key_ids_listed),
            GroupBy.MODEL: (models, models_listed, line_items, line_items_listed),
        }
        accepted = {by: {one for values in lists for one in values or ()} for by, lists in given.items()}
        self.accepted = {by: values for by, values in accepted.items() if values}


class _Asked:
    def __init__(
        self,
        subject: _Caller,
        filters: Annotated[_Filters, Depends()],
        start_time: Annotated[int, Query(ge=0, le=2**40, description="Unix seconds.")],
        end_time: Annotated[int | None, Query(ge=0, le=2**40)] = None,
        bucket_width: Width = Width.DAY,
        batch: Annotated[bool | None, Query(description="There are no batches: of them alone nothing is told.")] = None,
        group_by: Annotated[list[GroupBy] | None, Query()] = None,
        group_by_listed: Annotated[list[GroupBy] | None, _listed("group_by")] = None,
        limit: Annotated[int | None, Query(ge=1, le=1_440)] = None,
        page: Annotated[str | None, Query(max_length=20, pattern="^[0-9]+$")] = None,
    ) -> None:
        self.subject = subject
        self.filters = filters.accepted
        asked = (*(group_by or ()), *(group_by_listed or ()))
        self.group_by = list(dict.fromkeys(GroupBy.MODEL if by is GroupBy.LINE_ITEM else by for by in asked))
        self.is_of_batches = bool(batch)
        self.width = BucketWidth(bucket_width.value)
        self.start = max(start_time, int(page or 0)) // self.width.seconds * self.width.seconds
        self.end_time = end_time
        self.limit = limit

    def until(self, now: float, *, default: int, most: int) -> tuple[int, bool]:
        """Return where the page ends, and whether there is more behind it. Raises InvalidInput."""
        limit = self.limit or default
        if limit > most:
            raise InvalidInput(f"limit: {limit}", FieldError("limit", f"{most} are the most for {self.width} buckets"))
        end = self.end_time if self.end_time is not None else int(now)
        if end <= self.start:
            raise InvalidInput("The range is empty.", FieldError("end_time", "must be later than start_time"))
        stop = self.start + limit * self.width.seconds
        return min(stop, end), stop < end


def openai_usage_routes(db: Database, clock: Clock) -> APIRouter:
    """Return the routes below /v1/organization."""
    routes = APIRouter(prefix="/v1/organization", tags=["openai"])

    @routes.get("/usage/{kind}")
    async def get_organization_usage(kind: UsageKind, asked: Annotated[_Asked, Depends()]) -> UsagePage:
        """Tell tokens and requests by time."""
        default, most = _LIMITS[Width(asked.width.value)]

        def result(values: Mapping[GroupBy, str], amounts: Amounts) -> dict[str, Any]:
            ids = {by.value: values.get(by) for by in (*_GROUPS, *asked.group_by)}
            return {"object": f"organization.usage.{kind.value}.result", **_figures(kind, amounts), **ids}

        until, has_more = asked.until(clock.now(), default=default, most=most)
        rows = await _rows(db, clock, asked, until, _OPERATIONS.get(kind, _NOTHING))
        return _page(asked, until, has_more, {at: [result(*row) for row in found] for at, found in rows.items()})

    @routes.get("/costs")
    async def get_organization_costs(asked: Annotated[_Asked, Depends()]) -> UsagePage:
        """Tell costs by day."""
        if asked.width is not BucketWidth.DAY:
            raise InvalidInput("Costs are by day.", FieldError("bucket_width", "only 1d"))
        async with db.read() as session:
            money = (await currency(session)).lower()

        def result(values: Mapping[GroupBy, str], amounts: Amounts) -> dict[str, Any]:
            return {
                "object": "organization.costs.result",
                "amount": {"value": amounts["cost_nano"] / NANO, "currency": money},
                "line_item": values.get(GroupBy.MODEL),
                **{by.value: values.get(by) for by in (GroupBy.PROJECT, GroupBy.USER, GroupBy.KEY)},
            }

        until, has_more = asked.until(clock.now(), default=7, most=_COSTS_MOST)
        rows = await _rows(db, clock, asked, until, None)
        return _page(asked, until, has_more, {at: [result(*row) for row in found] for at, found in rows.items()})

    return routes


_Rows = dict[int, list[tuple[Mapping[GroupBy, str], Amounts]]]


async def _rows(db: Database, clock: Clock, asked: _Asked, until: int, operations: frozenset[str] | None) -> _Rows:
    """Return by start of the bucket what fits the filters, summed by what was asked to group by."""
    if asked.is_of_batches:
        return {}
    told = [by for by in asked.group_by if by in _DIMENSIONS]
    needed = [*told, *(by for by in asked.filters if by not in told)]
    by = (Dimension.KIND, *(_DIMENSIONS[one] for one in needed))
    wanted = scoped(asked.subject, None, {}, since=float(asked.start), until=float(until))
    query = UsageQuery(filter=wanted, by=by, bucket=asked.width, has_latency=False)
    async with db.read() as session:
        found = await usage_figures(session, query, now=clock.now())
    sums: dict[tuple[int, tuple[str, ...]], Amounts] = {}
    for (start, (kind, *values)), amounts in found.rows.items():
        given = dict(zip(needed, values, strict=True))
        is_wanted = all(given[one] in accepted for one, accepted in asked.filters.items())
        if is_wanted and (operations is None or kind in operations):
            sums.setdefault((start, tuple(given[one] for one in told)), Amounts()).add(amounts)
    rows: _Rows = {}
    for (start, grouped), amounts in sorted(sums.items(), key=lambda row: row[0]):
        rows.setdefault(start, []).append((dict(zip(told, grouped, strict=True)), amounts))
    return rows


def _page(asked: _Asked, until: int, has_more: bool, results: Mapping[int, list[dict[str, Any]]]) -> UsagePage:
    step = asked.width.seconds
    buckets = [
        Bucket(start_time=start, end_time=start + step, results=results.get(start, []))
        for start in range(asked.start, until, step)
    ]
    return UsagePage(data=buckets, has_more=has_more, next_page=str(until) if has_more else None)


def _figures(kind: UsageKind, amounts: Amounts) -> dict[str, Any]:
    """Return OpenAI's figures: there cached tokens are a part of the input, reasoning ones of the output."""
    told: dict[str, Any] = {"num_model_requests": amounts["requests"]}
    read, made = (sum(amounts[name] for name in names) for names in (INPUT_CLASSES, OUTPUT_CLASSES))
    match kind:
        case UsageKind.COMPLETIONS:
            told["input_tokens"] = read
            told["input_cached_tokens"] = amounts["cached_input_tokens"]
            told["output_tokens"] = made
            told["input_audio_tokens"] = amounts["input_audio_tokens"]
            told["output_audio_tokens"] = amounts["output_audio_tokens"]
            told["batch"] = None
            told["input_cache_write_tokens"] = amounts["cache_write_tokens"]
        case UsageKind.EMBEDDINGS:
            told["input_tokens"] = read
        case UsageKind.IMAGES:
            told["images"] = amounts["images"]
        case UsageKind.AUDIO_SPEECHES:
            told["characters"] = amounts["input_characters"]
        case UsageKind.AUDIO_TRANSCRIPTIONS:
            told["seconds"] = amounts["audio_ms"] // 1_000
    return told

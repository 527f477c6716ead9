"""Limits: bounds on what requests may use. Every function decides; none does."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from roundhouse_catalog.domain import shapes
from roundhouse_catalog.domain.findings import Findings, quoted
from roundhouse_common.contracts.routing import LimitDimension, LimitRecord
from roundhouse_common.routing import PLATFORM
from roundhouse_common.runtime import UnixTime

__all__ = [
    "BOUNDS",
    "DIMENSIONS",
    "Limit",
    "LimitDraft",
    "LimitPatch",
    "Members",
    "create_limit",
    "delete_limit",
    "limit_record",
    "revise_limit",
]

BOUNDS: Final = (
    "requests_per_second",
    "requests_per_minute",
    "requests_per_day",
    "tokens_per_minute",
    "tokens_per_day",
    "input_tokens_per_minute",
    "input_tokens_per_day",
    "output_tokens_per_minute",
    "output_tokens_per_day",
    "concurrent_requests",
)
"""What can be bounded: fields of LimitRecord."""

DIMENSIONS: Final[Mapping[str, LimitDimension]] = {
    one.value: one for one in LimitDimension if one is not LimitDimension.UNKNOWN
}

_MOST_BOUND: Final = 10**12
_MOST_IDS: Final = 1000
_MOST_PER: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit."""

    limit_id: str
    tenant_id: str
    """Empty: of the platform."""
    name: str
    per: tuple[LimitDimension, ...]
    tenant_ids: tuple[str, ...]
    user_ids: tuple[str, ...]
    key_ids: tuple[str, ...]
    route_ids: tuple[str, ...]
    bounds: Mapping[str, int]
    """By their names in `BOUNDS`; what is not in it is not bounded."""
    generation: int = 1
    created_at: UnixTime
    created_by: str
    updated_at: UnixTime
    updated_by: str
    is_deleted: bool = False

    @property
    def is_platform(self) -> bool:
        return self.tenant_id == PLATFORM


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitDraft:
    """A limit as the caller wants it, not yet checked."""

    name: str
    is_platform: bool = False
    per: tuple[str, ...] = ()
    tenant_ids: tuple[str, ...] = ()
    user_ids: tuple[str, ...] = ()
    key_ids: tuple[str, ...] = ()
    route_ids: tuple[str, ...] = ()
    bounds: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitPatch:
    """What to change; None leaves it as it is. Of the bounds those that are stated, None for one that ends."""

    name: str | None = None
    per: tuple[str, ...] | None = None
    tenant_ids: tuple[str, ...] | None = None
    user_ids: tuple[str, ...] | None = None
    key_ids: tuple[str, ...] | None = None
    route_ids: tuple[str, ...] | None = None
    bounds: Mapping[str, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """Which of the ids that a limit names exist, for whom sets it."""

    tenant_ids: Collection[str] = ()
    user_ids: Collection[str] = ()
    key_ids: Collection[str] = ()
    route_ids: Mapping[str, str] = field(default_factory=dict)
    """With the name of the route that each is an alias of, if it is one."""


def create_limit(
    draft: LimitDraft, members: Members, *, limit_id: str, tenant_id: str, now: UnixTime, actor: str
) -> Limit:
    """Return the limit. Raises InvalidInput with every fault."""
    limit = Limit(
        limit_id=limit_id,
        tenant_id=PLATFORM if draft.is_platform else tenant_id,
        name=draft.name,
        per=_dimensions(draft.per),
        tenant_ids=_once(draft.tenant_ids),
        user_ids=_once(draft.user_ids),
        key_ids=_once(draft.key_ids),
        route_ids=_once(draft.route_ids),
        bounds=dict(draft.bounds),
        created_at=now,
        created_by=actor,
        updated_at=now,
        updated_by=actor,
    )
    _check(limit, draft.per, members, before=None)
    return limit


def revise_limit(limit: Limit, patch: LimitPatch, members: Members, *, now: UnixTime, actor: str) -> Limit:
    """Return the changed limit, the same when nothing changes. Raises InvalidInput with every fault."""
    bounds = {**limit.bounds, **patch.bounds}
    revised = replace(
        limit,
        name=limit.name if patch.name is None else patch.name,
        per=limit.per if patch.per is None else _dimensions(patch.per),
        tenant_ids=limit.tenant_ids if patch.tenant_ids is None else _once(patch.tenant_ids),
        user_ids=limit.user_ids if patch.user_ids is None else _once(patch.user_ids),
        key_ids=limit.key_ids if patch.key_ids is None else _once(patch.key_ids),
        route_ids=limit.route_ids if patch.route_ids is None else _once(patch.route_ids),
        bounds={name: most for name, most in bounds.items() if most is not None},
    )
    _check(revised, patch.per or (), members, before=limit)
    if revised == limit:
        return limit
    return replace(revised, generation=limit.generation + 1, updated_at=now, updated_by=actor)


def delete_limit(limit: Limit, *, now: UnixTime, actor: str) -> Limit:
    """Return the tombstone."""
    return replace(limit, is_deleted=True, generation=limit.generation + 1, updated_at=now, updated_by=actor)


def limit_record(limit: Limit) -> LimitRecord:
    """Return the limit as routers see it."""
    return LimitRecord(
        limit_id=limit.limit_id,
        name=limit.name,
        tenant_id=limit.tenant_id,
        per=limit.per,
        tenant_ids=limit.tenant_ids,
        user_ids=limit.user_ids,
        key_ids=limit.key_ids,
        route_ids=limit.route_ids,
        is_deleted=limit.is_deleted,
        **limit.bounds,
    )


def _check(limit: Limit, per: tuple[str, ...], members: Members, *, before: Limit | None) -> None:
    """`per` is what was typed; ids that `before` has already may have gone since, and stay."""
    findings = Findings()
    findings.add("name", shapes.text_fault(limit.name, most=128, what="a limit's name"))
    for index, one in enumerate(per):
        findings.add(f"per.{index}", shapes.choice_fault(one, DIMENSIONS))
    if len(set(per)) != len(per):
        findings.add("per", "one is stated twice; state each once")
    elif len(per) > _MOST_PER:
        findings.add("per", f"{len(per)} found; {_MOST_PER} at most are allowed, e.g. each key on each route")
    if limit.tenant_ids and limit.tenant_id != PLATFORM:
        findings.add(
            "tenant_ids", "only limits of the platform name tenants; yours is about your own tenant's requests"
        )
    else:
        _check_ids("tenant_ids", limit, before, members.tenant_ids, "tenant", "", findings)
    _check_ids("user_ids", limit, before, members.user_ids, "user", "", findings)
    _check_ids("key_ids", limit, before, members.key_ids, "API key", "; GET /api/v1/api-keys lists them", findings)
    _check_ids("route_ids", limit, before, members.route_ids, "route", "; GET /api/v1/routes lists them", findings)
    for index, one in enumerate(limit.route_ids):
        if aliased := members.route_ids.get(one):
            findings.add(
                f"route_ids.{index}",
                f"it is an alias; requests count for the route that is meant: name {quoted(aliased)}",
            )
    if not limit.bounds:
        findings.add("bounds", f"nothing is bounded; state at least one of {', '.join(BOUNDS)}")
    for name, most in limit.bounds.items():
        if not 0 <= most <= _MOST_BOUND:
            findings.add(name, f"{most} found; 0 to {_MOST_BOUND} is allowed, and null for no bound")
    findings.refuse()


def _check_ids(
    field: str,
    limit: Limit,
    before: Limit | None,
    known: Collection[str],
    noun: str,
    hint: str,
    findings: Findings,
) -> None:
    ids: tuple[str, ...] = getattr(limit, field)
    kept: tuple[str, ...] = getattr(before, field) if before else ()
    if len(ids) > _MOST_IDS:
        findings.add(field, f"{len(ids)} found; {_MOST_IDS} at most are allowed")
        return
    for index, one in enumerate(ids):
        if one not in known and one not in kept:
            findings.add(f"{field}.{index}", f"there is no {noun} with the id {quoted(one)}{hint}")


def _dimensions(per: tuple[str, ...]) -> tuple[LimitDimension, ...]:
    return tuple(DIMENSIONS[one] for one in per if one in DIMENSIONS)


def _once(ids: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ids))

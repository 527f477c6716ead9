"""Bodies of `/limits`."""

from typing import Annotated, Any, Self

from pydantic import Field

from roundhouse_catalog.api.schemas import Body, View, known_values
from roundhouse_catalog.domain.limits import BOUNDS, DIMENSIONS, Limit, LimitDraft, LimitPatch
from roundhouse_common.http import Timestamp

__all__ = ["BoundsBody", "LimitChanges", "LimitToCreate", "LimitView"]

DimensionName = Annotated[str, known_values(DIMENSIONS)]


class BoundsBody(Body):
    """What may be used; absent or null: no such bound. 0: nothing is admitted."""

    requests_per_second: int | None = None
    requests_per_minute: int | None = None
    requests_per_day: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_day: int | None = None
    input_tokens_per_minute: int | None = None
    input_tokens_per_day: int | None = None
    output_tokens_per_minute: int | None = None
    output_tokens_per_day: int | None = None
    concurrent_requests: int | None = None


def _per() -> Any:  # Any: what pydantic's Field returns
    return Field(default=[], description="Counted apart for each of these; empty: counted together.")


class LimitToCreate(BoundsBody):
    """Bounds on what requests may use. All limits that a request falls under hold."""

    name: str = Field(examples=["each key"])
    is_platform: bool = Field(default=False, description="For requests of every tenant; needs `platform:admin`.")
    per: list[DimensionName] = _per()
    tenant_ids: list[str] = Field(default=[], description="Of the platform's: only requests of these; empty: of any.")
    user_ids: list[str] = Field(default=[], description="Only requests with keys of these users; empty: of any.")
    key_ids: list[str] = Field(default=[], description="Only requests with these API keys; empty: with any.")
    route_ids: list[str] = Field(default=[], description="Only requests that lead to these routes; empty: to any.")

    def draft(self) -> LimitDraft:
        return LimitDraft(
            name=self.name,
            is_platform=self.is_platform,
            per=tuple(self.per),
            tenant_ids=tuple(self.tenant_ids),
            user_ids=tuple(self.user_ids),
            key_ids=tuple(self.key_ids),
            route_ids=tuple(self.route_ids),
            bounds={name: most for name in BOUNDS if (most := getattr(self, name)) is not None},
        )


class LimitChanges(BoundsBody):
    """What to change; what is absent stays as it is. Lists are replaced whole; null ends a bound."""

    name: str | None = None
    per: list[DimensionName] | None = None
    tenant_ids: list[str] | None = None
    user_ids: list[str] | None = None
    key_ids: list[str] | None = None
    route_ids: list[str] | None = None

    def patch(self) -> LimitPatch:
        return LimitPatch(
            name=self.name,
            per=_tuple(self.per),
            tenant_ids=_tuple(self.tenant_ids),
            user_ids=_tuple(self.user_ids),
            key_ids=_tuple(self.key_ids),
            route_ids=_tuple(self.route_ids),
            bounds={name: getattr(self, name) for name in BOUNDS if name in self.model_fields_set},
        )


class LimitView(View):
    """A limit. Bounds that are null do not hold."""

    id: str = Field(examples=["lim_0193a0c5f0d97c3e8a4b5c6d7e8f9012"])
    name: str
    tenant_id: str = Field(description="Empty: of the platform.")
    is_platform: bool
    per: list[DimensionName]
    tenant_ids: list[str]
    user_ids: list[str]
    key_ids: list[str]
    route_ids: list[str]
    requests_per_second: int | None
    requests_per_minute: int | None
    requests_per_day: int | None
    tokens_per_minute: int | None
    tokens_per_day: int | None
    input_tokens_per_minute: int | None
    input_tokens_per_day: int | None
    output_tokens_per_minute: int | None
    output_tokens_per_day: int | None
    concurrent_requests: int | None
    generation: int
    created_at: Timestamp
    created_by: str
    updated_at: Timestamp
    updated_by: str

    @classmethod
    def of(cls, limit: Limit) -> Self:
        return cls(
            id=limit.limit_id,
            name=limit.name,
            tenant_id=limit.tenant_id,
            is_platform=limit.is_platform,
            per=[one.value for one in limit.per],
            tenant_ids=list(limit.tenant_ids),
            user_ids=list(limit.user_ids),
            key_ids=list(limit.key_ids),
            route_ids=list(limit.route_ids),
            generation=limit.generation,
            created_at=limit.created_at,
            created_by=limit.created_by,
            updated_at=limit.updated_at,
            updated_by=limit.updated_by,
            **{name: limit.bounds.get(name) for name in BOUNDS},
        )


def _tuple(items: list[str] | None) -> tuple[str, ...] | None:
    return None if items is None else tuple(items)

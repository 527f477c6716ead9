"""Bodies of `/providers`."""

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field, SecretStr

from roundhouse_catalog.api.schemas import Body, View, known_values
from roundhouse_catalog.domain.provider_check import CheckResult, KeyCheck
from roundhouse_catalog.domain.providers import FORMATS, MOST_KEYS, Provider, ProviderDraft, ProviderPatch, SealedKey
from roundhouse_common.contracts.features import Feature
from roundhouse_common.http import Timestamp
from roundhouse_common.routing import PLATFORM

__all__ = [
    "KeyCheckView",
    "KeyToAdd",
    "ProviderChanges",
    "ProviderCheckView",
    "ProviderKeyView",
    "ProviderToCreate",
    "ProviderView",
    "ResealedView",
]

_Secret = Annotated[SecretStr, Field(strict=False, description="Never shown again, but for its last characters.")]
_Features = Annotated[list[str], Field(max_length=32, json_schema_extra={"items": {"enum": [*Feature]}})]
_BASE_URL = "Where the API's paths begin, http or https."
_HEADERS = "Sent with every request. They are shown, so secrets do not belong here."
_FEATURES = "Endpoints that it has; empty: those of its format."
_SHOWN_MODELS = 50
_IN_FLIGHT = "Requests at once from one router; 0: no bound."


class KeyToAdd(Body):
    """A key of a provider."""

    secret: _Secret
    name: str = Field(default="", max_length=100, description="For people.")


class ProviderToCreate(Body):
    """A provider to add."""

    name: str = Field(examples=["together"])
    format: str = known_values(FORMATS)
    base_url: str = Field(description=_BASE_URL, examples=["https://api.together.xyz/v1"])
    keys: list[KeyToAdd] = Field(default=[], max_length=MOST_KEYS)
    headers: dict[str, str] = Field(default={}, description=_HEADERS)
    features: _Features = Field(default=[], description=_FEATURES)
    in_flight_most: int = Field(default=0, description=_IN_FLIGHT)
    is_platform: bool = Field(default=False, description="For routes of every tenant; takes `platform:admin`.")

    def draft(self) -> ProviderDraft:
        return ProviderDraft(
            name=self.name,
            format=self.format,
            base_url=self.base_url,
            headers=self.headers,
            features=tuple(self.features),
            in_flight_most=self.in_flight_most,
        )


class ProviderChanges(Body):
    """What to change; absent fields stay. Name and format stay for good."""

    base_url: str | None = Field(default=None, description=_BASE_URL)
    headers: dict[str, str] | None = Field(default=None, description=f"{_HEADERS} All of them: others are removed.")
    features: _Features | None = Field(default=None, description=_FEATURES)
    in_flight_most: int | None = Field(default=None, description=_IN_FLIGHT)

    def patch(self) -> ProviderPatch:
        return ProviderPatch(
            base_url=self.base_url,
            headers=self.headers,
            features=None if self.features is None else tuple(self.features),
            in_flight_most=self.in_flight_most,
        )


class ProviderKeyView(View):
    """A key without its secret, which nobody can read again."""

    id: str
    name: str
    last_four: str = Field(description="Empty of a short secret.")
    created_at: Timestamp

    @classmethod
    def of(cls, key: SealedKey) -> Self:
        return cls(id=key.key_id, name=key.name, last_four=key.last_four, created_at=key.created_at)


class ProviderView(View):
    """An outside API as routes can lead to it."""

    id: str
    name: str
    format: str
    base_url: str
    keys: list[ProviderKeyView]
    headers: dict[str, str]
    features: list[str]
    in_flight_most: int
    is_platform: bool
    generation: int
    created_at: Timestamp
    created_by: str
    updated_at: Timestamp
    updated_by: str

    @classmethod
    def of(cls, provider: Provider) -> Self:
        return cls(
            id=provider.provider_id,
            name=provider.name,
            format=provider.format.value,
            base_url=provider.base_url,
            keys=[ProviderKeyView.of(key) for key in provider.keys],
            headers=dict(provider.headers),
            features=list(provider.features),
            in_flight_most=provider.in_flight_most,
            is_platform=provider.tenant_id == PLATFORM,
            generation=provider.generation,
            created_at=provider.created_at,
            created_by=provider.created_by,
            updated_at=provider.updated_at,
            updated_by=provider.updated_by,
        )


class KeyCheckView(View):
    """What the provider said to one key."""

    key_id: str = Field(description="Empty: asked without a key.")
    last_four: str
    result: CheckResult
    detail: str
    models: int = Field(description="How many it named.")

    @classmethod
    def of(cls, check: KeyCheck) -> Self:
        return cls(
            key_id=check.key_id,
            last_four=check.last_four,
            result=check.result,
            detail=check.detail,
            models=len(check.models),
        )


class ProviderCheckView(View):
    """What the provider said to each of its keys, just now."""

    is_usable: bool = Field(description="Whether it can be used with at least one key.")
    checks: list[KeyCheckView]
    models: list[str] = Field(description=f"The first {_SHOWN_MODELS} names that it gave.")

    @classmethod
    def of(cls, checks: Sequence[KeyCheck]) -> Self:
        return cls(
            is_usable=any(check.result in {CheckResult.OK, CheckResult.LIMITED} for check in checks),
            checks=[KeyCheckView.of(check) for check in checks],
            models=list(next((check.models for check in checks if check.models), ())[:_SHOWN_MODELS]),
        )


class ResealedView(View):
    """How far the file of keys may be shortened."""

    resealed: int = Field(description="Secrets that were sealed with another key than the first.")
    total: int

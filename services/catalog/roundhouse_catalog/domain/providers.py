"""Outside providers: APIs of others that routes lead to, with their keys sealed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from roundhouse_catalog.domain import shapes
from roundhouse_catalog.domain.findings import Findings, did_you_mean, quoted
from roundhouse_catalog.domain.provider_addresses import address_fault, header_fault, origin
from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.routing import ProviderFormat, ProviderKey, ProviderRecord
from roundhouse_common.runtime import UnixTime

__all__ = [
    "FORMATS",
    "MOST_KEYS",
    "Provider",
    "ProviderDraft",
    "ProviderPatch",
    "SealedKey",
    "add_keys",
    "create_provider",
    "delete_provider",
    "provider_record",
    "remove_key",
    "reseal_keys",
    "revise_provider",
    "secret_fault",
    "shown_ending",
]

FORMATS: Mapping[str, ProviderFormat] = {one.value: one for one in ProviderFormat if one is not ProviderFormat.UNKNOWN}
MOST_KEYS: Final = 100

T = TypeVar("T")

_FEATURES: Final = tuple(feature.value for feature in Feature)
_MOST_HEADERS: Final = 32
_MOST_IN_FLIGHT: Final = 1_000_000
_MOST_SECRET_CHARACTERS: Final = 4096
_SHOWN_CHARACTERS: Final = 4
_SHOWN_FROM: Final = 12
"""Characters that a secret must have for its last ones to be shown: of a short one they would give too much away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedKey:
    """One of a provider's keys."""

    key_id: str
    name: str
    """For people; may be empty."""
    sealed: str
    last_four: str
    """Empty of a secret so short that it would help to guess it."""
    created_at: UnixTime


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An outside API. Its name and format stay for good; the rest may change."""

    provider_id: str
    tenant_id: str
    """Empty: of the platform, for routes of every tenant."""
    name: str
    format: ProviderFormat
    base_url: str
    keys: tuple[SealedKey, ...]
    headers: Mapping[str, str]
    features: tuple[str, ...]
    in_flight_most: int
    generation: int
    created_at: UnixTime
    created_by: str
    updated_at: UnixTime
    updated_by: str
    is_deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderDraft:
    """A provider as the caller wrote it, not yet checked."""

    name: str
    format: str
    base_url: str
    headers: Mapping[str, str]
    features: tuple[str, ...] = ()
    in_flight_most: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderPatch:
    """The fields to change; None leaves a field as it is."""

    base_url: str | None = None
    headers: Mapping[str, str] | None = None
    features: tuple[str, ...] | None = None
    in_flight_most: int | None = None


def create_provider(
    draft: ProviderDraft, *, provider_id: str, tenant_id: str, keys: Sequence[SealedKey], now: UnixTime, actor: str
) -> Provider:
    """Return the checked provider. Raises InvalidInput with every fault."""
    _check(draft)
    return Provider(
        provider_id=provider_id,
        tenant_id=tenant_id,
        name=draft.name,
        format=FORMATS[draft.format],
        base_url=draft.base_url.rstrip("/"),
        keys=tuple(keys),
        headers=_lower(draft.headers),
        features=tuple(dict.fromkeys(draft.features)),
        in_flight_most=draft.in_flight_most,
        generation=1,
        created_at=now,
        created_by=actor,
        updated_at=now,
        updated_by=actor,
    )


def revise_provider(provider: Provider, patch: ProviderPatch, *, now: UnixTime, actor: str) -> Provider:
    """Return the changed provider; the same one when nothing changes. Raises InvalidInput with every fault."""
    draft = ProviderDraft(
        name=provider.name,
        format=provider.format.value,
        base_url=_else(patch.base_url, provider.base_url),
        headers=_else(patch.headers, provider.headers),
        features=_else(patch.features, provider.features),
        in_flight_most=_else(patch.in_flight_most, provider.in_flight_most),
    )
    _check(draft)
    _check_keys_stay_where_they_are(provider, draft.base_url)
    revised = replace(
        provider,
        base_url=draft.base_url.rstrip("/"),
        headers=_lower(draft.headers),
        features=tuple(dict.fromkeys(draft.features)),
        in_flight_most=draft.in_flight_most,
    )
    return provider if revised == provider else _next(revised, now=now, actor=actor)


def add_keys(provider: Provider, keys: Sequence[SealedKey], *, now: UnixTime, actor: str) -> Provider:
    """Return the provider with more keys; routers use them within a second. Raises InvalidInput for too many."""
    findings = Findings()
    count = len(provider.keys) + len(keys)
    if count > MOST_KEYS:
        findings.add("secret", f"it would be key {count}; a provider has {MOST_KEYS} at most: remove some first")
    findings.refuse()
    return _next(replace(provider, keys=(*provider.keys, *keys)), now=now, actor=actor)


def remove_key(provider: Provider, key_id: str, *, now: UnixTime, actor: str) -> Provider:
    """Return the provider without the key; the same one when it has no such key. The last one may go too."""
    kept = tuple(key for key in provider.keys if key.key_id != key_id)
    return provider if len(kept) == len(provider.keys) else _next(replace(provider, keys=kept), now=now, actor=actor)


def reseal_keys(provider: Provider, resealed: Mapping[str, str], *, now: UnixTime, actor: str) -> Provider:
    """Return the provider with these keys, by id, sealed anew."""
    keys = tuple(replace(key, sealed=resealed.get(key.key_id, key.sealed)) for key in provider.keys)
    return provider if keys == provider.keys else _next(replace(provider, keys=keys), now=now, actor=actor)


def delete_provider(provider: Provider, *, now: UnixTime, actor: str) -> Provider:
    """Return the tombstone: no key is left in it."""
    return _next(replace(provider, keys=(), headers={}, is_deleted=True), now=now, actor=actor)


def provider_record(provider: Provider) -> ProviderRecord:
    """Return the provider as routers see it."""
    return ProviderRecord(
        provider_id=provider.provider_id,
        name=provider.name,
        tenant_id=provider.tenant_id,
        format=provider.format,
        base_url=provider.base_url,
        keys=tuple(ProviderKey(key_id=key.key_id, sealed=key.sealed) for key in provider.keys),
        headers=dict(provider.headers),
        features=provider.features,
        in_flight_most=provider.in_flight_most,
        is_deleted=provider.is_deleted,
    )


def secret_fault(secret: str) -> str | None:
    """Say what is wrong with a secret without showing it: it is sent in a header."""
    if not secret or secret != secret.strip():
        return "it is empty, or has blanks around it; give the secret alone"
    if len(secret) > _MOST_SECRET_CHARACTERS:
        return f"{len(secret)} characters found; a secret has {_MOST_SECRET_CHARACTERS} at most"
    if not (secret.isascii() and secret.isprintable()) or " " in secret:
        return "it has characters that no header can carry; give the secret alone, without quotes or line breaks"
    return None


def shown_ending(secret: str) -> str:
    """Return the characters by which people tell keys apart."""
    return secret[-_SHOWN_CHARACTERS:] if len(secret) >= _SHOWN_FROM else ""


def _check(draft: ProviderDraft) -> None:
    findings = Findings()
    findings.add("name", shapes.deployment_name_fault(draft.name, what="a provider's name"))
    findings.add("format", shapes.choice_fault(draft.format, FORMATS))
    findings.add("base_url", address_fault(draft.base_url))
    if len(draft.headers) > _MOST_HEADERS:
        findings.add("headers", f"{len(draft.headers)} headers found; there may be {_MOST_HEADERS}")
    for name, value in draft.headers.items():
        findings.add(f"headers.{name}", header_fault(name, value))
    for index, feature in enumerate(draft.features):
        if feature not in _FEATURES:
            hint = did_you_mean(feature, _FEATURES)
            findings.add(f"features.{index}", f"{quoted(feature)} found; there are {', '.join(_FEATURES)}.{hint}")
    findings.add("in_flight_most", shapes.range_fault(draft.in_flight_most, 0, _MOST_IN_FLIGHT))
    findings.refuse()


def _check_keys_stay_where_they_are(provider: Provider, base_url: str) -> None:
    """Nobody reads keys back, so nobody may have them sent to a host that they were not given for."""
    if not provider.keys or origin(base_url) == origin(provider.base_url):
        return
    findings = Findings()
    message = (
        f"the provider's keys would go to another host than {origin(provider.base_url)[1]}; add a provider for it, or "
        "remove the keys first"
    )
    findings.add("base_url", message)
    findings.refuse()


def _next(provider: Provider, *, now: UnixTime, actor: str) -> Provider:
    return replace(provider, generation=provider.generation + 1, updated_at=now, updated_by=actor)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _else(value: T | None, otherwise: T) -> T:
    return otherwise if value is None else value

"""API keys: random secrets that are stored as digests and shown once."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from msgspec import UNSET, UnsetType

from roundhouse_catalog.domain import shapes
from roundhouse_catalog.domain.errors import ApiKeyRevoked
from roundhouse_catalog.domain.findings import Findings, quoted
from roundhouse_catalog.domain.route_shapes import name_fault
from roundhouse_common.client_address import networks
from roundhouse_common.runtime import DeploymentId, KeyId, UnixTime

__all__ = [
    "MOST_OVERLAP_S",
    "ApiKey",
    "KeyDraft",
    "KeyPatch",
    "NewSecret",
    "create_key",
    "revise_key",
    "revoke_key",
    "rotate_key",
]

MOST_OVERLAP_S = 30 * 86_400.0
_NAME_CHARACTERS = 100
_PREFIX_CHARACTERS = 7
_MOST_MODELS = 100
_MOST_RANGES = 100
_MOST_PRIORITY = 100
_NEVER = UnixTime(0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One API key, without its secret."""

    key_id: KeyId
    tenant_id: str
    user_id: str
    name: str
    prefix: str
    last_four: str
    sha256: str
    deployment_ids: tuple[DeploymentId, ...]
    """Deployments it may call; empty means all of the user's and all that are open to them."""
    expires_at: UnixTime
    """0 means never."""
    created_at: UnixTime
    revoked_at: UnixTime
    """0 means that it is not revoked."""
    project_id: str = ""
    models: tuple[str, ...] = ()
    """Names, `*` standing for any characters; empty: all that it could use anyway."""
    ip_ranges: tuple[str, ...] = ()
    priority: int = 0
    previous_sha256: str = ""
    """Of the secret before the last rotation."""
    previous_until: UnixTime = _NEVER
    generation: int = 1

    @property
    def is_revoked(self) -> bool:
        return self.revoked_at > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSecret:
    """A secret that was just drawn, and its digest."""

    text: str = field(repr=False)
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDraft:
    """A key as the caller wants it, not yet checked."""

    name: str
    deployment_ids: tuple[str, ...] = ()
    expires_at: UnixTime | None = None
    project_id: str = ""
    models: tuple[str, ...] = ()
    ip_ranges: tuple[str, ...] = ()
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPatch:
    """What to change of a key; None leaves it as it is, except that None makes it never expire."""

    name: str | None = None
    deployment_ids: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    ip_ranges: tuple[str, ...] | None = None
    priority: int | None = None
    expires_at: UnixTime | UnsetType | None = UNSET


def create_key(
    draft: KeyDraft,
    *,
    key_id: KeyId,
    tenant_id: str,
    user_id: str,
    secret: NewSecret,
    known_deployments: Collection[str],
    now: UnixTime,
) -> ApiKey:
    """Return the key; the secret only lends its first and last characters. Raises InvalidInput with every fault.

    `known_deployments` are those of the draft's deployments that the caller may name.
    """
    findings = Findings()
    _check(draft, known_deployments, findings)
    _check_expiry(draft.expires_at, now, findings)
    findings.refuse()
    return ApiKey(
        key_id=key_id,
        tenant_id=tenant_id,
        user_id=user_id,
        name=draft.name,
        prefix=secret.text[:_PREFIX_CHARACTERS],
        last_four=secret.text[-4:],
        sha256=secret.sha256,
        expires_at=_NEVER if draft.expires_at is None else draft.expires_at,
        created_at=now,
        revoked_at=_NEVER,
        project_id=draft.project_id,
        deployment_ids=_deployments(draft),
        models=_models(draft),
        ip_ranges=_ranges(draft),
        priority=draft.priority,
    )


def revise_key(key: ApiKey, patch: KeyPatch, *, known_deployments: Collection[str], now: UnixTime) -> ApiKey:
    """Return the changed key, the same when nothing changes. Raises InvalidInput with every fault, ApiKeyRevoked."""
    if key.is_revoked:
        raise ApiKeyRevoked(key.name)
    draft = KeyDraft(
        name=key.name if patch.name is None else patch.name,
        deployment_ids=key.deployment_ids if patch.deployment_ids is None else patch.deployment_ids,
        models=key.models if patch.models is None else patch.models,
        ip_ranges=key.ip_ranges if patch.ip_ranges is None else patch.ip_ranges,
        priority=key.priority if patch.priority is None else patch.priority,
    )
    findings = Findings()
    _check(draft, {*known_deployments, *key.deployment_ids}, findings)
    expires_at = key.expires_at
    if patch.expires_at is not UNSET:
        wanted = patch.expires_at if isinstance(patch.expires_at, float) else None
        _check_expiry(wanted, now, findings)
        expires_at = _NEVER if wanted is None else UnixTime(wanted)
    findings.refuse()
    revised = replace(
        key,
        name=draft.name,
        deployment_ids=_deployments(draft),
        models=_models(draft),
        ip_ranges=_ranges(draft),
        priority=draft.priority,
        expires_at=expires_at,
    )
    return key if revised == key else replace(revised, generation=key.generation + 1)


def rotate_key(key: ApiKey, secret: NewSecret, *, overlap_s: float, now: UnixTime) -> ApiKey:
    """Return the key with a new secret; the one before stays good for `overlap_s` seconds, and older ones no more.

    Raises InvalidInput and ApiKeyRevoked.
    """
    if key.is_revoked:
        raise ApiKeyRevoked(key.name)
    findings = Findings()
    findings.add("overlap_s", shapes.range_fault(overlap_s, 0, MOST_OVERLAP_S, unit="seconds"))
    findings.refuse()
    return replace(
        key,
        prefix=secret.text[:_PREFIX_CHARACTERS],
        last_four=secret.text[-4:],
        sha256=secret.sha256,
        previous_sha256=key.sha256 if overlap_s else "",
        previous_until=UnixTime(now + overlap_s) if overlap_s else _NEVER,
        generation=key.generation + 1,
    )


def revoke_key(key: ApiKey, *, now: UnixTime) -> ApiKey:
    """Return the revoked key; one that is revoked already is returned as it is."""
    return key if key.is_revoked else replace(key, revoked_at=now, generation=key.generation + 1)


def _check(draft: KeyDraft, known_deployments: Collection[str], findings: Findings) -> None:
    findings.add("name", shapes.text_fault(draft.name, most=_NAME_CHARACTERS, what="a key's name"))
    for index, deployment_id in enumerate(draft.deployment_ids):
        if deployment_id not in known_deployments:
            message = (
                f"there is no deployment with the id {quoted(deployment_id)} that you may use; "
                "GET /api/v1/deployments lists them"
            )
            findings.add(f"deployment_ids.{index}", message)
    if len(draft.models) > _MOST_MODELS:
        findings.add("models", f"{len(draft.models)} found; {_MOST_MODELS} are allowed: use a * for several")
    for index, model in enumerate(draft.models):
        findings.add(f"models.{index}", name_fault(model))
    if len(draft.ip_ranges) > _MOST_RANGES:
        findings.add("ip_ranges", f"{len(draft.ip_ranges)} found; {_MOST_RANGES} are allowed")
    for index, text in enumerate(draft.ip_ranges):
        findings.add(f"ip_ranges.{index}", _range_fault(text))
    findings.add("priority", shapes.range_fault(draft.priority, -_MOST_PRIORITY, _MOST_PRIORITY))


def _deployments(draft: KeyDraft) -> tuple[DeploymentId, ...]:
    return tuple(DeploymentId(one) for one in dict.fromkeys(draft.deployment_ids))


def _models(draft: KeyDraft) -> tuple[str, ...]:
    return tuple(dict.fromkeys(draft.models))


def _ranges(draft: KeyDraft) -> tuple[str, ...]:
    """Return the networks in their shortest writing, each once."""
    return tuple(dict.fromkeys(str(network) for network in networks(draft.ip_ranges)))


def _range_fault(text: str) -> str | None:
    try:
        networks([text])
    except ValueError as error:
        return str(error)
    return None


def _check_expiry(expires_at: UnixTime | None, now: UnixTime, findings: Findings) -> None:
    if expires_at is not None and expires_at <= now:
        message = f"{_words(expires_at)} is not after now, {_words(now)}; leave it out for a key that stays valid"
        findings.add("expires_at", message)


def _words(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

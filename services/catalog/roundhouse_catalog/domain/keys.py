"""API keys: random secrets that are stored as digests and shown once."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from roundhouse_catalog.domain import shapes
from roundhouse_catalog.domain.findings import Findings, quoted
from roundhouse_common.runtime import DeploymentId, KeyId, UnixTime

__all__ = ["ApiKey", "KeyDraft", "create_key", "revoke_key"]

_NAME_CHARACTERS = 100
_PREFIX_CHARACTERS = 7
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
    """Deployments it may call; empty means all of the tenant."""
    expires_at: UnixTime
    """0 means never."""
    created_at: UnixTime
    revoked_at: UnixTime
    """0 means that it is not revoked."""

    @property
    def is_revoked(self) -> bool:
        return self.revoked_at > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDraft:
    """A key as the caller wants it, not yet checked."""

    name: str
    deployment_ids: tuple[str, ...] = ()
    expires_at: UnixTime | None = None


def create_key(
    draft: KeyDraft,
    *,
    key_id: KeyId,
    tenant_id: str,
    user_id: str,
    secret: str,
    sha256: str,
    known_deployments: Collection[str],
    now: UnixTime,
) -> ApiKey:
    """Return the key; the secret only lends its first and last characters. Raises InvalidInput with every fault.

    `known_deployments` are those of the draft's deployments that exist in the tenant.
    """
    findings = Findings()
    findings.add("name", shapes.text_fault(draft.name, most=_NAME_CHARACTERS, what="a key's name"))
    for index, deployment_id in enumerate(draft.deployment_ids):
        if deployment_id not in known_deployments:
            message = f"there is no deployment with the id {quoted(deployment_id)}; GET /api/v1/deployments lists them"
            findings.add(f"deployment_ids.{index}", message)
    if draft.expires_at is not None and draft.expires_at <= now:
        message = f"{_words(draft.expires_at)} is not after now, {_words(now)}; leave it out for a key that stays valid"
        findings.add("expires_at", message)
    findings.refuse()
    return ApiKey(
        key_id=key_id,
        tenant_id=tenant_id,
        user_id=user_id,
        name=draft.name,
        prefix=secret[:_PREFIX_CHARACTERS],
        last_four=secret[-4:],
        sha256=sha256,
        deployment_ids=tuple(DeploymentId(one) for one in dict.fromkeys(draft.deployment_ids)),
        expires_at=_NEVER if draft.expires_at is None else draft.expires_at,
        created_at=now,
        revoked_at=_NEVER,
    )


def revoke_key(key: ApiKey, *, now: UnixTime) -> ApiKey:
    """Return the revoked key; one that is revoked already is returned as it is."""
    return key if key.is_revoked else replace(key, revoked_at=now)


def _words(at: UnixTime) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

"""Tokens that programs log in with: of a person, or of a service account. They are exchanged for access tokens."""

from dataclasses import dataclass, replace
from typing import Final

from roundhouse_catalog.domain import shapes
from roundhouse_catalog.domain.findings import Findings
from roundhouse_common.runtime import UnixTime

__all__ = ["PREFIX", "PersonalToken", "create_token", "is_good", "revoke_token"]

PREFIX: Final = "rhp-"
_DAY_S: Final = 86_400.0
_DEFAULT_S: Final = 90 * _DAY_S
_MOST_S: Final = 366 * _DAY_S
_NAME_CHARACTERS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalToken:
    """One token, without its secret. It is good in one tenant, for what its owner may do there at the time."""

    token_id: str
    user_id: str
    tenant_id: str
    name: str
    sha256: str
    prefix: str
    last_four: str
    created_at: UnixTime
    created_by: str
    expires_at: UnixTime
    last_used_at: UnixTime | None = None
    revoked_at: UnixTime | None = None


def create_token(
    secret: str,
    sha256: str,
    *,
    token_id: str,
    user_id: str,
    tenant_id: str,
    name: str,
    expires_at: float | None,
    actor: str,
    now: UnixTime,
) -> PersonalToken:
    """Return the token; the secret only lends its first and last characters. Raises InvalidInput with every fault."""
    until = UnixTime(now + _DEFAULT_S if expires_at is None else expires_at)
    findings = Findings()
    findings.add("name", shapes.text_fault(name, most=_NAME_CHARACTERS, what="a token's name"))
    if not now < until <= now + _MOST_S:
        findings.add("expires_at", "it must lie between now and 366 days from now; absent means in 90 days")
    findings.refuse()
    return PersonalToken(
        token_id=token_id,
        user_id=user_id,
        tenant_id=tenant_id,
        name=name,
        sha256=sha256,
        prefix=secret[: len(PREFIX) + 4],
        last_four=secret[-4:],
        created_at=now,
        created_by=actor,
        expires_at=until,
    )


def is_good(token: PersonalToken, now: UnixTime) -> bool:
    """Say whether it can be exchanged, as far as the token itself says."""
    return token.revoked_at is None and now < token.expires_at


def revoke_token(token: PersonalToken, *, now: UnixTime) -> PersonalToken:
    """Return the revoked token; one that is revoked stays as it is."""
    return token if token.revoked_at is not None else replace(token, revoked_at=now)

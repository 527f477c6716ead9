"""Which keys sign and verify access tokens, as a function of time: keys change without anybody being refused."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from roundhouse_common.contracts.identity import SigningKeys
from roundhouse_common.runtime import UnixTime

__all__ = ["KeyRules", "SigningKey", "current_key", "last_use_of", "published", "withdrawn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRules:
    """How long a change of keys takes."""

    lead_s: float = 120.0
    """A new key is published for so long before it signs."""
    longest_token_s: float = 300.0
    slack_s: float = 60.0
    """Clocks that differ, and catalogs that look a moment later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """One pair of keys. The private half is sealed, and empty once the key is withdrawn."""

    kid: str
    public_jwk: str
    sealed_private: str = field(repr=False)
    created_at: UnixTime
    created_by: str
    signs_from: UnixTime
    withdrawn_at: UnixTime | None = None


def current_key(keys: Sequence[SigningKey], now: UnixTime) -> SigningKey | None:
    """Return the key that signs now: the newest whose time has come."""
    usable = [key for key in keys if key.withdrawn_at is None and key.signs_from <= now]
    return max(usable, key=lambda key: (key.signs_from, key.kid), default=None)


def last_use_of(key: SigningKey, keys: Sequence[SigningKey]) -> UnixTime | None:
    """Return from when on another key signs in its place; None while none is to."""
    later = [other.signs_from for other in keys if (other.signs_from, other.kid) > (key.signs_from, key.kid)]
    return min(later, default=None)


def withdrawn(keys: Sequence[SigningKey], rules: KeyRules, now: UnixTime) -> list[SigningKey]:
    """Return, withdrawn, the keys whose last token has expired; their private halves are gone."""
    found = []
    for key in keys:
        last = last_use_of(key, keys)
        if key.withdrawn_at is None and last is not None and now >= last + rules.longest_token_s + rules.slack_s:
            found.append(replace(key, withdrawn_at=now, sealed_private=""))
    return found


def published(keys: Sequence[SigningKey]) -> SigningKeys:
    """Return what services verify with. The generation grows whenever a key is added or withdrawn."""
    shown = sorted((key for key in keys if key.withdrawn_at is None), key=lambda key: key.kid)
    gone = len(keys) - len(shown)
    jwks = {"keys": [json.loads(key.public_jwk) for key in shown]}
    return SigningKeys(jwks=json.dumps(jwks, sort_keys=True), generation=len(keys) + gone)

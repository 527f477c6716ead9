"""A browser's session: a secret in a cookie, and what it seals."""

import base64
import hashlib
import hmac
from dataclasses import dataclass

import msgspec

from roundhouse_common.runtime import UnixTime

__all__ = ["COOKIE_BYTES", "Kept", "PlaygroundKey", "StoredSession", "digest_of", "sealing_key_of"]

COOKIE_BYTES = 32


class PlaygroundKey(msgspec.Struct, frozen=True, kw_only=True):
    """An API key of the person, made by the console for its playground and test tool."""

    key_id: str
    secret: str
    expires_at: float


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept for a session, sealed. Times are seconds since 1970."""

    access_token: str
    access_expires_at: float
    refresh_token: str
    session_expires_at: float
    user_id: str
    tenant_id: str
    playground_key: PlaygroundKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSession:
    """A row: without the cookie nobody can read what is sealed in it."""

    digest: str
    user_id: str
    sealed: bytes
    created_at: UnixTime
    last_used_at: UnixTime
    expires_at: UnixTime


def digest_of(cookie: str) -> str:
    """Return what the row is found by: it does not lead back to the cookie."""
    return hashlib.sha256(b"roundhouse console session\0" + cookie.encode()).hexdigest()


def sealing_key_of(cookie: str) -> bytes:
    """Return a Fernet key that only the cookie gives: the database alone opens no session."""
    return base64.urlsafe_b64encode(hmac.digest(cookie.encode(), b"roundhouse console sealing", "sha256"))

"""Logins that last: a session, and the chain of its refresh tokens, each good for one use."""

import enum
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from roundhouse_common.contracts.identity import EndedSession, SignOut
from roundhouse_common.runtime import UnixTime

__all__ = [
    "Client",
    "EndReason",
    "RefreshToken",
    "Session",
    "SessionRules",
    "Step",
    "digest",
    "judged",
    "new_secret",
    "sign_out_record",
]

REFRESH_PREFIX: Final = "rhr-"
_SECRET_BYTES: Final = 32


class EndReason(enum.StrEnum):
    """Why a session ended."""

    LOGGED_OUT = "logged-out"
    SIGNED_OUT_EVERYWHERE = "signed-out-everywhere"
    REUSED = "refresh-token-reused"
    IDLE = "idle"
    EXPIRED = "expired"
    PASSWORD_CHANGED = "password-changed"
    NOT_PERMITTED = "not-permitted"
    """The user is disabled, deleted or a member of nothing any more."""
    PROVIDER = "provider-logged-out"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRules:
    """How long what lives."""

    access_s: float = 300.0
    """An access token: the longest that one works after its keeper lost the right, if the bus is away."""
    idle_s: float = 12 * 3600.0
    """A session that is not refreshed for so long ends."""
    absolute_s: float = 30 * 86_400.0
    """However busy it is."""
    grace_s: float = 15.0
    """A client that did not get the answer may use its refresh token once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Where a request came from."""

    address: str = ""
    user_agent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One login of one person on one device."""

    session_id: str
    user_id: str
    tenant_id: str
    method: str
    client: Client
    created_at: UnixTime
    last_used_at: UnixTime
    expires_at: UnixTime
    ended_at: UnixTime | None = None
    end_reason: str = ""

    def is_over(self, rules: SessionRules, now: UnixTime) -> EndReason | None:
        """Return why it cannot go on, though nobody ended it; None while it can."""
        if now >= self.expires_at:
            return EndReason.EXPIRED
        return EndReason.IDLE if now >= self.last_used_at + rules.idle_s else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """One link of the chain, without its secret."""

    sha256: str
    session_id: str
    created_at: UnixTime
    used_at: UnixTime | None = None
    successor: str = ""
    """The digest of the one that was given for it."""


class Step(enum.Enum):
    """What to do with a refresh token that came."""

    ROTATE = enum.auto()
    """Give the next one for it."""
    REPLACE = enum.auto()
    """The answer was lost: give another next one, in the place of the one that nobody has used. That counts as used:
    should it come after all, there are two who have the session."""
    END = enum.auto()
    """Somebody has it who should not: end the session, for whoever has it now."""


def new_secret(prefix: str, random_bytes: Callable[[int], bytes]) -> str:
    """Return a secret of 256 bits that names what it is."""
    return prefix + random_bytes(_SECRET_BYTES).hex()


def digest(secret: str) -> str:
    """Return what is stored of a secret that cannot be guessed."""
    return hashlib.sha256(secret.encode("utf-8", errors="replace")).hexdigest()


def judged(
    token: RefreshToken,
    successor: RefreshToken | None,
    *,
    same_client: bool,
    rules: SessionRules,
    now: UnixTime,
) -> Step:
    """Say what a refresh token that came, of a session that goes on, leads to.

    One that was used before ends the session, unless it comes from the same client within the grace and nobody has
    used what was given for it: then that answer was lost.
    """
    if token.used_at is None:
        return Step.ROTATE
    was_lost = successor is not None and successor.used_at is None
    return Step.REPLACE if was_lost and same_client and now <= token.used_at + rules.grace_s else Step.END


def sign_out_record(user_id: str, *, issued_before: float, ended: list[tuple[str, float]], access_s: float) -> SignOut:
    """Return what the other services must know about a user's void tokens.

    `ended` are ids of sessions and personal tokens, with when they ended.
    """
    return SignOut(
        user_id=user_id,
        issued_before=issued_before,
        sessions=tuple(
            EndedSession(session_id=session_id, until=ended_at + access_s) for session_id, ended_at in sorted(ended)
        ),
    )

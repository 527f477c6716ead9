"""Bodies of what administrators do about logins."""

from typing import Self

from pydantic import Field

from roundhouse_catalog.api.schemas import Body, View
from roundhouse_catalog.domain.signing_keys import SigningKey
from roundhouse_common.http import Timestamp

__all__ = ["GivenPasswordView", "RotationToStart", "SigningKeyView", "SigningKeysView"]


class GivenPasswordView(View):
    """A password for somebody's first login: the only time it is shown."""

    password: str
    expires_at: Timestamp = Field(description="Until then they must have chosen one of their own.")


class RotationToStart(Body):
    """How to replace the signing key."""

    is_compromised: bool = Field(
        default=False,
        description="Somebody else may have the key: what it signed is refused at once, and clients refresh.",
    )


class SigningKeyView(View):
    """A key that access tokens are verified with."""

    kid: str
    created_at: Timestamp
    created_by: str
    signs_from: Timestamp
    is_signing: bool

    @classmethod
    def of(cls, key: SigningKey, *, current: str) -> Self:
        return cls(
            kid=key.kid,
            created_at=key.created_at,
            created_by=key.created_by,
            signs_from=key.signs_from,
            is_signing=key.kid == current,
        )


class SigningKeysView(View):
    """The keys that services know, the newest last. The file of each service may have more."""

    items: list[SigningKeyView]

"""Bodies of `/tokens` and `/sessions:exchange`."""

from typing import Self

from pydantic import ConfigDict, Field, SecretStr

from roundhouse_catalog.api.schemas import Body, View, secret_shown_once
from roundhouse_catalog.domain.personal_tokens import PersonalToken
from roundhouse_common.http import Moment, Timestamp

__all__ = ["AccessTokenView", "CreatedTokenView", "TokenToCreate", "TokenToExchange", "TokenView"]


class TokenToCreate(Body):
    """A token for a program."""

    name: str = Field(description="For people: where it is used.", examples=["nightly job"])
    user_id: str = Field(
        default="", max_length=64, description="A service account of the tenant; absent: for yourself."
    )
    expires_at: Moment | None = Field(
        default=None, description="RFC 3339 with an offset, at most 366 days away; absent means in 90 days."
    )


class TokenToExchange(Body):
    """A token to get an access token for."""

    token: SecretStr = Field(max_length=1024, examples=["rhp-..."])


class AccessTokenView(View):
    """An access token for a program. Exchange again when it has expired."""

    access_token: str = Field(description="For `Authorization: Bearer`, at every service.")
    token_type: str = "Bearer"
    expires_at: Timestamp
    expires_in: int = Field(description="Seconds.")
    user_id: str
    tenant_id: str


class TokenView(View):
    """A token without its secret, which nobody can read again."""

    id: str = Field(examples=["tok_0193a0c5f0d97c3e8a4b5c6d7e8f9012"])
    name: str
    user_id: str
    prefix: str = Field(examples=["rhp-0a1b"])
    last_four: str
    created_at: Timestamp
    expires_at: Timestamp
    last_used_at: Timestamp | None = Field(description="To the minute.")
    revoked_at: Timestamp | None

    @classmethod
    def of(cls, token: PersonalToken) -> Self:
        return cls(
            id=token.token_id,
            name=token.name,
            user_id=token.user_id,
            prefix=token.prefix,
            last_four=token.last_four,
            created_at=token.created_at,
            expires_at=token.expires_at,
            last_used_at=token.last_used_at,
            revoked_at=token.revoked_at,
        )


class CreatedTokenView(TokenView):
    """A new token, with its secret: the only time it is shown."""

    model_config = ConfigDict(json_schema_extra=secret_shown_once)

    secret: str = Field(description="Left out of a replay: it is shown once.")

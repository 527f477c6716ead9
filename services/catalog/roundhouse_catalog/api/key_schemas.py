"""Bodies of `/api-keys`."""

from typing import Annotated, Self

from pydantic import AwareDatetime, Field

from roundhouse_catalog.api.schemas import Body, View
from roundhouse_catalog.domain.keys import ApiKey, KeyDraft
from roundhouse_common.http import Timestamp
from roundhouse_common.runtime import UnixTime

__all__ = ["CreatedKeyView", "KeyToCreate", "KeyView"]


class KeyToCreate(Body):
    """An API key to create."""

    name: str = Field(description="For people: where the key is used.", examples=["laptop"])
    deployment_ids: list[str] = Field(
        default=[], max_length=100, description="Deployments it may call; empty means all."
    )
    expires_at: Annotated[AwareDatetime, Field(strict=False)] | None = Field(
        default=None, description="RFC 3339 with an offset; absent means never."
    )

    def draft(self) -> KeyDraft:
        return KeyDraft(
            name=self.name,
            deployment_ids=tuple(self.deployment_ids),
            expires_at=UnixTime(self.expires_at.timestamp()) if self.expires_at else None,
        )


class KeyView(View):
    """An API key without its secret, which nobody can read again."""

    id: str = Field(examples=["key_0193a0c5f0d97c3e8a4b5c6d7e8f9012"])
    name: str
    prefix: str = Field(examples=["rh-Ab12"])
    last_four: str
    user_id: str
    deployment_ids: list[str]
    expires_at: Timestamp | None
    is_revoked: bool
    revoked_at: Timestamp | None
    created_at: Timestamp

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        return cls(
            id=key.key_id,
            name=key.name,
            prefix=key.prefix,
            last_four=key.last_four,
            user_id=key.user_id,
            deployment_ids=list(key.deployment_ids),
            expires_at=key.expires_at if key.expires_at else None,
            is_revoked=key.is_revoked,
            revoked_at=key.revoked_at if key.is_revoked else None,
            created_at=key.created_at,
        )


class CreatedKeyView(KeyView):
    """A new API key, with its secret: the only time it is shown."""

    secret: str = Field(description="The key as clients send it. Left out of a replay: it is shown once.")

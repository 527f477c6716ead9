"""Bodies of `/api-keys`."""

from collections.abc import Collection
from typing import Self

from msgspec import UNSET
from pydantic import ConfigDict, Field

from roundhouse_catalog.api.schemas import Body, View, secret_shown_once
from roundhouse_catalog.domain.keys import MOST_OVERLAP_S, ApiKey, KeyDraft, KeyPatch
from roundhouse_catalog.domain.limits import Limit
from roundhouse_common.http import Moment, Timestamp
from roundhouse_common.runtime import UnixTime

__all__ = ["CreatedKeyView", "KeyChanges", "KeyToCreate", "KeyView", "Rotation"]

_DEPLOYMENTS = (
    "Deployments it may call, and only these: a deployment-level key. Empty: a user-level key, for all deployments of "
    "its user and all that are open to them."
)
_MODELS = "Names that may be sent as `model`, `*` standing for any characters; empty: all that it could use anyway."
_RANGES = "Networks that requests may come from (CIDR, IPv4 or IPv6); empty: any."
_PRIORITY = "Where engines are full, requests of higher priority go first: -100 to 100."


class KeyToCreate(Body):
    """An API key to create."""

    name: str = Field(description="For people: where the key is used.", examples=["laptop"])
    user_id: str = Field(default="", description="Whose key it is; empty: the caller's. Others' need `keys:admin`.")
    project_id: str = Field(default="", description="The project that it is for; one that the caller has a role in.")
    deployment_ids: list[str] = Field(default=[], max_length=100, description=_DEPLOYMENTS)
    models: list[str] = Field(default=[], description=_MODELS, examples=[["llama-*"]])
    ip_ranges: list[str] = Field(default=[], description=_RANGES, examples=[["10.0.0.0/8", "2001:db8::/32"]])
    priority: int = Field(default=0, description=_PRIORITY)
    expires_at: Moment | None = Field(default=None, description="RFC 3339 with an offset; absent means never.")

    def draft(self) -> KeyDraft:
        return KeyDraft(
            name=self.name,
            deployment_ids=tuple(self.deployment_ids),
            expires_at=UnixTime(self.expires_at.timestamp()) if self.expires_at else None,
            project_id=self.project_id,
            models=tuple(self.models),
            ip_ranges=tuple(self.ip_ranges),
            priority=self.priority,
        )


class KeyChanges(Body):
    """What to change of an API key; what is absent stays. Lists are replaced whole."""

    name: str | None = None
    deployment_ids: list[str] | None = Field(default=None, max_length=100, description=_DEPLOYMENTS)
    models: list[str] | None = Field(default=None, description=_MODELS)
    ip_ranges: list[str] | None = Field(default=None, description=_RANGES)
    priority: int | None = Field(default=None, description=_PRIORITY)
    expires_at: Moment | None = Field(default=None, description="null: it never expires.")

    def patch(self) -> KeyPatch:
        moment = UnixTime(self.expires_at.timestamp()) if self.expires_at else None
        return KeyPatch(
            name=self.name,
            deployment_ids=None if self.deployment_ids is None else tuple(self.deployment_ids),
            models=None if self.models is None else tuple(self.models),
            ip_ranges=None if self.ip_ranges is None else tuple(self.ip_ranges),
            priority=self.priority,
            expires_at=moment if "expires_at" in self.model_fields_set else UNSET,
        )


class Rotation(Body):
    """How a key gets its new secret."""

    overlap_s: float = Field(
        default=3600.0, description=f"How long the secret before stays good; 0: not at all; at most {MOST_OVERLAP_S:g}."
    )


class KeyLimitView(View):
    """A limit that names the key."""

    id: str
    name: str
    bounds: dict[str, int]


class KeyView(View):
    """An API key without its secret, which nobody can read again."""

    id: str = Field(examples=["key_0193a0c5f0d97c3e8a4b5c6d7e8f9012"])
    name: str
    prefix: str = Field(examples=["rh-Ab12"])
    last_four: str
    user_id: str
    project_id: str
    deployment_ids: list[str]
    models: list[str]
    ip_ranges: list[str]
    priority: int
    expires_at: Timestamp | None
    previous_until: Timestamp | None = Field(description="How long the secret before the last rotation stays good.")
    is_revoked: bool
    revoked_at: Timestamp | None
    limits: list[KeyLimitView] = Field(description="Those that name it; `/limits` has all of them.")
    created_at: Timestamp

    @classmethod
    def of(cls, key: ApiKey, limits: Collection[Limit] = ()) -> Self:
        return cls(
            id=key.key_id,
            name=key.name,
            prefix=key.prefix,
            last_four=key.last_four,
            user_id=key.user_id,
            project_id=key.project_id,
            deployment_ids=list(key.deployment_ids),
            models=list(key.models),
            ip_ranges=list(key.ip_ranges),
            priority=key.priority,
            expires_at=key.expires_at if key.expires_at else None,
            previous_until=key.previous_until if key.previous_until else None,
            is_revoked=key.is_revoked,
            revoked_at=key.revoked_at if key.is_revoked else None,
            limits=[
                KeyLimitView(
                    id=one.limit_id, name=one.name, bounds={name: n for name, n in one.bounds.items() if n is not None}
                )
                for one in limits
                if key.key_id in one.key_ids
            ],
            created_at=key.created_at,
        )


class CreatedKeyView(KeyView):
    """An API key with its new secret: the only time it is shown."""

    model_config = ConfigDict(json_schema_extra=secret_shown_once)

    secret: str = Field(description="The key as clients send it. Left out of a replay: it is shown once.")

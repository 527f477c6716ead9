"""Bodies of `/join-tokens` and `/nodes:join`."""

from typing import Annotated, Self

from pydantic import BaseModel, Field

from roundhouse_common.contracts.scheduler import NodeAdmission
from roundhouse_common.http import Body, Timestamp
from roundhouse_scheduler.domain.joining import JoinToken, TokenState

__all__ = ["CreatedTokenView", "JoinedView", "NodeToJoin", "TokenToCreate", "TokenView"]

_LONGEST_S = 24 * 3600.0
NodeId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
_Labels = dict[Annotated[str, Field(min_length=1, max_length=63)], Annotated[str, Field(max_length=255)]]
_Place = Annotated[str, Field(max_length=255)]


class TokenToCreate(Body):
    """A join token to make."""

    ttl_s: float = Field(default=3600.0, ge=1, le=_LONGEST_S, description="How long it may be used.")
    node_id: NodeId | None = Field(default=None, description="The id that the node must take; absent means any.")
    labels: _Labels = Field(default={}, max_length=64, description="Labels of the node, over those that it tells.")
    region: _Place = ""
    zone: _Place = ""


class TokenView(BaseModel):
    """A join token without its secret, which nobody can read again."""

    id: str
    state: TokenState
    node_id: str = Field(description="The id that the node must take; empty means any.")
    labels: dict[str, str]
    region: str
    zone: str
    created_at: Timestamp
    created_by: str
    expires_at: Timestamp
    used_at: Timestamp | None
    used_node_id: str = Field(description="Who has joined with it.")
    revoked_at: Timestamp | None

    @classmethod
    def of(cls, token: JoinToken, now: float) -> Self:
        return cls(
            id=token.token_id,
            state=token.state(now),
            node_id=token.node_id,
            labels=token.labels,
            region=token.region,
            zone=token.zone,
            created_at=token.created_at,
            created_by=token.created_by,
            expires_at=token.expires_at,
            used_at=token.used_at,
            used_node_id=token.used_node_id,
            revoked_at=token.revoked_at,
        )


class CreatedTokenView(TokenView):
    """A new join token: the only time it is shown."""

    token: str
    is_local_only: bool = Field(description="Whether NATS is told at a loopback address: no other host can join then.")


class NodeToJoin(Body):
    """What a host says to join. Its secret key stays with it."""

    token: str = Field(max_length=200)
    node_id: NodeId | None = Field(default=None, description="The id it would like; absent means a new one.")
    hostname: str = Field(max_length=255)
    public_key: str = Field(max_length=64, description="Its NATS user key (an nkey that begins with U).")


class JoinedView(BaseModel):
    """What the host needs to run its node agent."""

    node_id: str
    admission: NodeAdmission = Field(description="pending: it gets nothing to run until an administrator approves it.")
    nats_urls: list[str]
    credentials: str = Field(description="A JWT for the public key; with its seed it makes a NATS credentials file.")

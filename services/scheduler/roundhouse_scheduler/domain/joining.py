"""Joining: a one-time token lets one host in, with credentials for one node. Pure decisions, and the records."""

import enum
import hashlib
import hmac

import msgspec

from roundhouse_common.contracts.scheduler import NodeAdmission
from roundhouse_scheduler.domain.errors import (
    JoinTokenRefused,
    NodeIdTaken,
    NodeKeyRevoked,
)
from roundhouse_scheduler.domain.records import Node, NodeState

__all__ = [
    "Approval",
    "JoinToken",
    "NodeKey",
    "TokenState",
    "check_key",
    "check_node_id",
    "check_token",
    "hash_secret",
    "join_token",
    "parse_token",
]

_PREFIX = "rhj"


class Approval(enum.StrEnum):
    """What a node that joins by token becomes."""

    AUTO = "auto"
    MANUAL = "manual"

    @property
    def admission(self) -> NodeAdmission:
        """What it is at first."""
        return NodeAdmission.APPROVED if self is Approval.AUTO else NodeAdmission.PENDING


class TokenState(enum.StrEnum):
    """What can still be done with a token."""

    OPEN = "open"
    USED = "used"
    EXPIRED = "expired"
    REVOKED = "revoked"


class JoinToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token, without its secret."""

    token_id: str
    digest: str
    created_at: float
    created_by: str
    expires_at: float
    node_id: str = ""
    """The id that the node must take; empty: any."""
    labels: dict[str, str] = {}
    region: str = ""
    zone: str = ""
    used_at: float | None = None
    used_key: str = ""
    """The public key that has joined with it: that one may ask again within the token's life."""
    used_node_id: str = ""
    revoked_at: float | None = None

    def state(self, now: float) -> TokenState:
        """Return what is left of it."""
        if self.revoked_at is not None:
            return TokenState.REVOKED
        if self.used_at is not None:
            return TokenState.USED
        return TokenState.EXPIRED if now >= self.expires_at else TokenState.OPEN


class NodeKey(msgspec.Struct, frozen=True, kw_only=True):
    """A public key that credentials of a node were signed for. What an administrator said of the node with the token
    is here until it registers."""

    public_key: str
    node_id: str
    hostname: str
    token_id: str
    issued_at: float
    admission: NodeAdmission
    labels: dict[str, str] = {}
    region: str = ""
    zone: str = ""
    revoked_at: float | None = None


def join_token(token_id: str, secret: str) -> str:
    """Return the text that a person carries to the other host."""
    return f"{_PREFIX}-{token_id.partition('_')[2]}-{secret}"


def parse_token(text: str) -> tuple[str, str]:
    """Return id and secret; two empty strings for what is no token."""
    prefix, _, rest = text.strip().partition("-")
    number, _, secret = rest.partition("-")
    return (f"jtk_{number}", secret) if prefix == _PREFIX and number and secret else ("", "")


def hash_secret(secret: str) -> str:
    """Return what is stored of a secret. A fast hash will do: it is 256 random bits."""
    return hashlib.sha256(secret.encode("utf-8")).hexdigest()


def check_token(found: JoinToken | None, *, secret: str, public_key: str, now: float) -> JoinToken:
    """Return the token that lets this key in, or raise JoinTokenRefused.

    An unknown token takes as long as a wrong secret. What else is wrong is told only to who knows the secret.
    """
    digest = hash_secret(secret)
    is_right = hmac.compare_digest(digest, found.digest if found else "0" * len(digest))
    if found is None or not is_right:
        raise JoinTokenRefused("this join token is not known: it was mistyped, or is of another Roundhouse")
    if found.revoked_at is not None:
        raise JoinTokenRefused(f"join token {found.token_id} was revoked")
    if now >= found.expires_at:
        raise JoinTokenRefused(f"join token {found.token_id} has expired")
    if found.used_at is not None and found.used_key != public_key:
        raise JoinTokenRefused(f"join token {found.token_id} was used by {found.used_node_id}")
    return found


def check_node_id(node_id: str, *, token: JoinToken, public_key: str, key: NodeKey | None, node: Node | None) -> None:
    """Return when a node may have that id with this key, or raise NodeIdTaken.

    `key` is the one whose credentials are good now, `node` the one of the record. A node that is removed may come
    back. One that lives is never replaced; one that is silent only by a token that names it, because its
    administrator has said so.
    """
    has_come_back = node is not None and node.admission is NodeAdmission.REMOVED
    if has_come_back or (key is not None and key.public_key == public_key) or (key is None and node is None):
        return
    is_silent = node is None or node.state is not NodeState.READY
    if token.node_id != node_id or not is_silent:
        raise NodeIdTaken(node_id, is_silent=is_silent)


def check_key(found: NodeKey | None, *, node_id: str) -> None:
    """Return when a key may get credentials for a node, or raise NodeKeyRevoked: a key once taken back stays so, and
    a key is of one node."""
    if found is not None and (found.revoked_at is not None or found.node_id != node_id):
        raise NodeKeyRevoked(found.node_id)

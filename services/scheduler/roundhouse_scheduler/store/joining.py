"""Join tokens and the keys that credentials of nodes were signed for."""

import math
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, delete, insert, select, update

from roundhouse_common.contracts.scheduler import NodeAdmission
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_scheduler.domain.errors import NodeRemoved
from roundhouse_scheduler.domain.joining import JoinToken, NodeKey
from roundhouse_scheduler.domain.records import Node, NodeDuty
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.rows import node_from, replace

__all__ = [
    "add_key",
    "add_token",
    "check_not_removed",
    "find_key",
    "find_node",
    "find_token",
    "forget_tokens",
    "key_of_node",
    "keys_of_removed",
    "list_tokens",
    "readmit",
    "revoke_keys",
    "revoke_token",
    "revoked_keys",
    "use_token",
]

_TOKENS, _KEYS = tables.join_tokens, tables.node_keys


async def add_token(session: WriteSession, token: JoinToken) -> None:
    await session.execute(insert(_TOKENS).values(msgspec.structs.asdict(token)))


async def find_token(session: ReadSession, token_id: str) -> JoinToken | None:
    row = (await session.execute(select(_TOKENS).where(_TOKENS.c.token_id == token_id))).first()
    return _token(row) if row else None


async def list_tokens(session: ReadSession, *, limit: int, after: str) -> list[JoinToken]:
    """Return a page in the order of their creation."""
    statement = select(_TOKENS).where(_TOKENS.c.token_id > after).order_by(_TOKENS.c.token_id).limit(limit)
    return [_token(row) for row in await session.execute(statement)]


async def use_token(session: WriteSession, token: JoinToken, *, public_key: str, node_id: str, at: float) -> None:
    """Record who has joined with it; from then on it is good for this key only."""
    values = {"used_at": at, "used_key": public_key, "used_node_id": node_id}
    await session.execute(update(_TOKENS).where(_TOKENS.c.token_id == token.token_id).values(values))


async def revoke_token(session: WriteSession, token_id: str, *, at: float) -> None:
    """Let nobody in with it any more. Safe to repeat: the first time stays."""
    statement = update(_TOKENS).where(_TOKENS.c.token_id == token_id, _TOKENS.c.revoked_at.is_(None))
    await session.execute(statement.values(revoked_at=at))


async def forget_tokens(session: WriteSession, *, expired_before: float) -> None:
    """Delete tokens that could not be used for long."""
    await session.execute(delete(_TOKENS).where(_TOKENS.c.expires_at < expired_before))


async def add_key(session: WriteSession, key: NodeKey) -> None:
    await session.execute(insert(_KEYS).values(msgspec.structs.asdict(key)))


async def find_key(session: ReadSession, public_key: str) -> NodeKey | None:
    row = (await session.execute(select(_KEYS).where(_KEYS.c.public_key == public_key))).first()
    return _key(row) if row else None


async def key_of_node(session: ReadSession, node_id: str) -> NodeKey | None:
    """Return the key whose credentials are good now; None for a node whose credentials were not made by joining."""
    statement = select(_KEYS).where(_KEYS.c.node_id == node_id, _KEYS.c.revoked_at.is_(None))
    row = (await session.execute(statement.order_by(_KEYS.c.issued_at.desc()))).first()
    return _key(row) if row else None


async def find_node(session: ReadSession, node_id: str) -> Node | None:
    row = (await session.execute(select(tables.nodes).where(tables.nodes.c.node_id == node_id))).first()
    return node_from(row) if row else None


async def check_not_removed(session: ReadSession, node_id: str) -> None:
    """Raise NodeRemoved for a node that an administrator removed."""
    statement = select(tables.nodes.c.admission).where(tables.nodes.c.node_id == node_id)
    if await session.scalar(statement) is NodeAdmission.REMOVED:
        raise NodeRemoved(node_id)


async def readmit(session: WriteSession, node: Node, key: NodeKey) -> None:
    """Let a node of the record that joins again be what the token says; one that was removed begins anew."""
    changed = msgspec.structs.replace(
        node,
        labels={**node.labels, **key.labels},
        region=key.region or node.region,
        zone=key.zone or node.zone,
    )
    if node.admission is NodeAdmission.REMOVED:
        changed = msgspec.structs.replace(
            node,
            admission=key.admission,
            duty=NodeDuty.ACTIVE,
            duty_reason="",
            duty_since=0.0,
            labels=key.labels,
            region=key.region,
            zone=key.zone,
        )
    if changed != node:
        await replace(session, tables.nodes, changed)


async def keys_of_removed(session: ReadSession) -> list[str]:
    """Return the public keys that are still good though their node was removed."""
    removed = select(tables.nodes.c.node_id).where(tables.nodes.c.admission == NodeAdmission.REMOVED)
    statement = select(_KEYS.c.public_key).where(_KEYS.c.revoked_at.is_(None), _KEYS.c.node_id.in_(removed))
    return [row.public_key for row in await session.execute(statement)]


async def revoke_keys(session: WriteSession, public_keys: Sequence[str], *, at: float) -> None:
    """Take credentials back for good."""
    for public_key in public_keys:
        statement = update(_KEYS).where(_KEYS.c.public_key == public_key, _KEYS.c.revoked_at.is_(None))
        await session.execute(statement.values(revoked_at=at))


async def revoked_keys(session: ReadSession) -> dict[str, int]:
    """Return every key that was taken back with the second from which on nothing issued before counts."""
    statement = select(_KEYS.c.public_key, _KEYS.c.revoked_at).where(_KEYS.c.revoked_at.is_not(None))
    return {row.public_key: math.ceil(row.revoked_at) for row in await session.execute(statement)}


# Row[Any]: the columns are the record's fields, which the constructor checks.
def _token(row: Row[Any]) -> JoinToken:
    return JoinToken(**row._mapping)


def _key(row: Row[Any]) -> NodeKey:
    return NodeKey(**row._mapping)

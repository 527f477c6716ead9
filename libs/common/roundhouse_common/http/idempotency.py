"""`Idempotency-Key`: a write that is sent twice happens once.

The key is claimed in the transaction of the effect and the response is stored in it too, so that a crash leaves both
or neither. Write transactions of a service run one after the other: a twin that arrives meanwhile waits for the first
and replays its response. Errors are not stored: the key is free again.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Header, Request, Response
from pydantic import BaseModel
from sqlalchemy import Row, Table, delete, insert, select

from roundhouse_common.auth import Subject
from roundhouse_common.database import Database, WriteSession, idempotency_table
from roundhouse_common.errors import FieldError, InvalidInput
from roundhouse_common.runtime import Clock

__all__ = ["Idempotency", "IdempotencyKey", "KeyReused", "idempotency_key", "idempotency_table", "reply"]

_KEEP_S: Final = 24 * 3600
_STORED_HEADERS: Final = frozenset(("content-type", "location", "etag"))


class KeyReused(InvalidInput):
    """The key came before with another request."""

    code = "idempotency_key_reused"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    """The client's key, and a digest of the request that it stands for."""

    value: str
    fingerprint: str


async def idempotency_key(
    request: Request,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=255, description="Any unique text: the write happens once for it.")
    ] = None,
) -> IdempotencyKey | None:
    """Read the `Idempotency-Key` header (a FastAPI dependency)."""
    if idempotency_key is None:
        return None
    what = f"{request.method} {request.url.path}?{request.url.query}\n".encode() + await request.body()
    return IdempotencyKey(value=idempotency_key, fingerprint=hashlib.sha256(what).hexdigest())


def reply(model: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return the model as a JSON response, which `Idempotency.run` can store."""
    return Response(model.model_dump_json(), status, headers, "application/json")


class Idempotency:
    """Runs writes at most once per subject, tenant and key."""

    def __init__(self, db: Database, table: Table, clock: Clock) -> None:
        self._db = db
        self._table = table
        self._clock = clock

    async def run(
        self,
        key: IdempotencyKey | None,
        subject: Subject,
        work: Callable[[WriteSession], Awaitable[Response]],
        *,
        secret_fields: frozenset[str] = frozenset(),
    ) -> Response:
        """Run the work in a write transaction and return its response, or replay the response of the first time.

        `secret_fields` are left out of what is stored: a replay comes without them, since a secret is shown once.
        Raises KeyReused, and what the work raises (then the key is free again).
        """
        async with self._db.write() as session:
            if key is None:
                return await work(session)
            if (row := await self._find(session, key, subject)) is not None:
                return _replay(row, key)
            response = await work(session)
            await self._store(session, key, subject, response, secret_fields)
            return response

    async def sweep(self) -> int:
        """Forget the keys older than 24 hours and return how many; call it now and then from a loop."""
        expired = delete(self._table).where(self._table.c.created_at < self._clock.now() - _KEEP_S)
        async with self._db.write() as session:
            return (await session.execute(expired)).rowcount

    async def _find(self, session: WriteSession, key: IdempotencyKey, subject: Subject) -> Row[Any] | None:
        """Return the stored response; one that is too old is removed instead."""
        mine = (self._table.c.subject_id == _owner(subject)) & (self._table.c.key == key.value)
        row = (await session.execute(select(self._table).where(mine))).first()
        if row is None or row.created_at >= self._clock.now() - _KEEP_S:
            return row
        await session.execute(delete(self._table).where(mine))
        return None

    async def _store(
        self,
        session: WriteSession,
        key: IdempotencyKey,
        subject: Subject,
        response: Response,
        secret_fields: frozenset[str],
    ) -> None:
        values = {
            "subject_id": _owner(subject),
            "key": key.value,
            "fingerprint": key.fingerprint,
            "created_at": self._clock.now(),
            "status": response.status_code,
            "headers": {name: value for name, value in response.headers.items() if name in _STORED_HEADERS},
            "body": _without(bytes(response.body), secret_fields),
        }
        await session.execute(insert(self._table).values(values))


def _owner(subject: Subject) -> str:
    """Return whose key it is: somebody in another of their tenants asks for something else with the same words."""
    return hashlib.sha256(f"{subject.tenant_id}/{subject.id}".encode()).hexdigest()


def _replay(row: Row[Any], key: IdempotencyKey) -> Response:
    if row.fingerprint != key.fingerprint:
        raise KeyReused(
            "This Idempotency-Key was used before with another request. Use a new key for a new request.",
            FieldError("idempotency-key", "It belongs to another request."),
        )
    return Response(row.body, row.status, {**row.headers, "idempotent-replayed": "true"})


def _without(body: bytes, fields: frozenset[str]) -> bytes:
    if not fields:
        return body
    return json.dumps({name: value for name, value in json.loads(body).items() if name not in fields}).encode()

"""Signing keys in SQL, their private halves sealed. Rows stay: how many there are tells the generation."""

from typing import Any

from sqlalchemy import Row, insert, select, update

from roundhouse_catalog.domain.signing_keys import SigningKey
from roundhouse_catalog.store.login_tables import signing_keys
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.runtime import UnixTime

__all__ = ["all_signing_keys", "insert_signing_key", "update_signing_key"]

_K = signing_keys.c


async def all_signing_keys(session: ReadSession) -> list[SigningKey]:
    """Return every key there ever was, the oldest first."""
    return [_key(row) for row in await session.execute(select(signing_keys).order_by(_K.created_at, _K.kid))]


async def insert_signing_key(session: WriteSession, key: SigningKey) -> None:
    await session.execute(
        insert(signing_keys).values(
            kid=key.kid,
            public_jwk=key.public_jwk,
            sealed_private=key.sealed_private,
            created_at=key.created_at,
            created_by=key.created_by,
            signs_from=key.signs_from,
            withdrawn_at=key.withdrawn_at,
        )
    )


async def update_signing_key(session: WriteSession, key: SigningKey) -> None:
    """Write what changes of a key: how it is sealed, from when on it signs, and that it is withdrawn."""
    values = {
        "sealed_private": key.sealed_private,
        "signs_from": key.signs_from,
        "withdrawn_at": key.withdrawn_at,
    }
    await session.execute(update(signing_keys).where(_K.kid == key.kid).values(values))


def _key(row: Row[Any]) -> SigningKey:  # Any: a row of `signing_keys`
    return SigningKey(
        kid=row.kid,
        public_jwk=row.public_jwk,
        sealed_private=row.sealed_private,
        created_at=UnixTime(row.created_at),
        created_by=row.created_by,
        signs_from=UnixTime(row.signs_from),
        withdrawn_at=None if row.withdrawn_at is None else UnixTime(row.withdrawn_at),
    )

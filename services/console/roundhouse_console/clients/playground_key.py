"""The API key that the console's playground and test tool call the router with, in the person's name."""

import asyncio
from datetime import UTC, datetime
from typing import Final

import httpx
import msgspec

from roundhouse_common.runtime import Clock
from roundhouse_console.clients.rest import path_of
from roundhouse_console.clients.signed_in import SignedIn
from roundhouse_console.domain.errors import Refused
from roundhouse_console.domain.session import PlaygroundKey

__all__ = ["NAME", "drop_playground_key", "playground_key"]

NAME: Final = "Console"
_LIVES_S: Final = 24 * 3600.0
_RENEW_BEFORE_S: Final = 600.0
_GONE: Final = 404
_UNAUTHENTICATED: Final = 401
_LOOKS: Final = 40
_LOOK_EVERY_S: Final = 0.15


async def playground_key(person: SignedIn, clock: Clock) -> str:
    """Return the secret of a key of the person that is good for a while. Raises ConsoleError, also where the person
    may have no keys.

    It is kept with the session, sealed, and never sent to the browser. A new one is made when the last runs out or
    was revoked by somebody.
    """
    kept = person.kept.playground_key
    if kept is not None and kept.expires_at - _RENEW_BEFORE_S > clock.now() and await _is_there(person, kept):
        return kept.secret
    return await person.cached.get("new playground key", lambda: _make(person, clock), for_s=1.0)


async def _make(person: SignedIn, clock: Clock) -> str:
    expires_at = clock.now() + _LIVES_S
    body = {"name": NAME, "expires_at": datetime.fromtimestamp(expires_at, UTC).isoformat()}
    made = await person.catalog.post("/api/v1/api-keys", body)
    key = PlaygroundKey(key_id=made["id"], secret=made["secret"], expires_at=expires_at)
    await _until_known(person, key.secret)
    await person.keep(msgspec.structs.replace(person.kept, playground_key=key))
    return key.secret


async def _until_known(person: SignedIn, secret: str) -> None:
    """Wait until the router has heard of a new key, some seconds at the most; what is wrong else shows with its use."""
    for _ in range(_LOOKS):
        try:
            answer = await person.http.get(
                f"{person.addresses.router}/v1/models", headers={"authorization": f"Bearer {secret}"}
            )
        except httpx.TransportError:
            return
        if answer.status_code != _UNAUTHENTICATED:
            return
        await asyncio.sleep(_LOOK_EVERY_S)


async def drop_playground_key(person: SignedIn) -> None:
    """Revoke the key of a session that ends; it runs out by itself where that fails."""
    if (kept := person.kept.playground_key) is not None:
        await person.catalog.delete(path_of("/api/v1/api-keys/{}", kept.key_id))


async def _is_there(person: SignedIn, kept: PlaygroundKey) -> bool:
    async def ask() -> bool:
        try:
            found = await person.catalog.get(path_of("/api/v1/api-keys/{}", kept.key_id))
        except Refused as error:
            if error.status == _GONE:
                return False
            raise
        return not found.get("revoked_at")

    return await person.cached.get(f"playground key {kept.key_id}", ask, for_s=10.0)

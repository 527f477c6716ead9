"""What people left in the console once the catalog has deleted them."""

from collections.abc import Iterable
from typing import Final

from roundhouse_common.database import Database
from roundhouse_common.service.logging import get_logger
from roundhouse_console.clients.rest import path_of
from roundhouse_console.clients.signed_in import SignedIn
from roundhouse_console.domain.errors import ConsoleError, Refused
from roundhouse_console.domain.me import Me
from roundhouse_console.store import people as store

__all__ = ["sweep_leavers"]

_MOST: Final = 200
"""People asked about at a time; the next sweep goes on."""
_NOT_FOUND: Final = 404
_log = get_logger(__name__)


async def sweep_leavers(db: Database, at_work: Iterable[SignedIn]) -> int:
    """Delete conversations and preferences of people whom the catalog no longer has, and return how many people.

    The console has no rights of its own: it asks with those of somebody at work who may see everybody, and does
    nothing while there is nobody. Deletion is for good, so each one is asked for by id: only a plain `there is none`
    counts, and whoever is there after all, or cannot be asked for, keeps everything.
    """
    person = await _who_sees_everybody(at_work)
    if person is None:
        return 0
    async with db.read() as session:
        known = await store.with_something(session)
    try:
        there = {one["id"] for one in await person.catalog.items("/api/v1/users")}
        gone = [one for one in sorted(known - there)[:_MOST] if await _is_gone(person, one)]
        if not _sees_everybody(await person.me(is_fresh=True)):
            return 0  # taken from them meanwhile: what was not found may only have been hidden
    except ConsoleError as error:
        _log.warning("leavers_not_swept", error=str(error))
        return 0
    if gone:
        async with db.write() as session:
            await store.forget(session, gone)
        _log.info("leavers_swept", people=len(gone))
    return len(gone)


async def _who_sees_everybody(at_work: Iterable[SignedIn]) -> SignedIn | None:
    for person in at_work:
        try:
            if _sees_everybody(await person.me(is_fresh=True)):
                return person
        except ConsoleError:
            continue  # signed out since, or the catalog is away: the next sweep asks again
    return None


def _sees_everybody(me: Me) -> bool:
    return me.may("tenants:read") and me.may("members:read")


async def _is_gone(person: SignedIn, user_id: str) -> bool:
    try:
        await person.catalog.get(path_of("/api/v1/users/{}", user_id))
    except Refused as error:
        if error.status == _NOT_FOUND and error.code == "user_not_found":
            return True
        raise
    return False

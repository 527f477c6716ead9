"""Browser sessions: from a cookie to the signed-in person, over restarts and over several consoles."""

from collections.abc import Callable
from functools import partial
from typing import Final

import httpx
import msgspec
from cryptography.fernet import Fernet, InvalidToken

from roundhouse_common.database import Database
from roundhouse_common.runtime import Clock, Ids, UnixTime
from roundhouse_common.service.logging import get_logger
from roundhouse_console.clients.conversations import Conversations
from roundhouse_console.clients.logins import Logins
from roundhouse_console.clients.playground_key import drop_playground_key
from roundhouse_console.clients.signed_in import Addresses, SignedIn
from roundhouse_console.domain.errors import ConsoleError
from roundhouse_console.domain.session import COOKIE_BYTES, Kept, StoredSession, digest_of, sealing_key_of
from roundhouse_console.store import sessions as store
from roundhouse_console.store.conversations import Owner

__all__ = ["Sessions"]

_TOUCH_EVERY_S: Final = 60.0
_log = get_logger(__name__)


class Sessions:
    """All sessions of this process; the table is the record."""

    def __init__(
        self,
        db: Database,
        http: httpx.AsyncClient,
        addresses: Addresses,
        *,
        clock: Clock,
        ids: Ids,
        token_hex: Callable[[int], str],
        idle_s: float,
    ) -> None:
        self._db = db
        self._http = http
        self._addresses = addresses
        self._clock = clock
        self._ids = ids
        self._token_hex = token_hex
        self._idle_s = idle_s
        self.logins = Logins(http, addresses.catalog)
        self._open: dict[str, SignedIn] = {}
        self._touched: dict[str, float] = {}
        self.on_end: list[Callable[[str], None]] = []
        """Told the digest of each session that ends, so that its open pages close."""

    async def begin(self, kept: Kept) -> str:
        """Keep a login and return what the cookie holds."""
        cookie = self._token_hex(COOKIE_BYTES)
        digest, now = digest_of(cookie), self._clock.now()
        made = StoredSession(
            digest=digest,
            user_id=kept.user_id,
            sealed=_seal(cookie, kept),
            created_at=now,
            last_used_at=now,
            expires_at=UnixTime(kept.session_expires_at),
        )
        async with self._db.write() as session:
            await store.insert_session(session, made)
        self._open[digest] = self._signed_in(cookie, kept)
        self._touched[digest] = self._clock.monotonic()
        return cookie

    async def find(self, cookie: str) -> SignedIn | None:
        """Return the person whose cookie it is; None when the session is over or never was."""
        if not cookie:
            return None
        digest = digest_of(cookie)
        if (known := self._open.get(digest)) is not None and self._clock.now() < known.kept.session_expires_at:
            await self._touch(digest)
            return known
        kept = await self._newest(cookie)
        if kept is None:
            self._open.pop(digest, None)
            return None
        found = self._open[digest] = self._signed_in(cookie, kept)
        await self._touch(digest)
        return found

    async def end(self, cookie: str) -> None:
        """Sign out: the tokens are void everywhere, the session is gone here, its pages close."""
        person = await self.find(cookie)
        digest = digest_of(cookie)
        async with self._db.write() as session:
            await store.remove(session, digest)
        self._open.pop(digest, None)
        if person is not None:
            try:
                await drop_playground_key(person)
                await self.logins.end(await person.access_token())
            except ConsoleError as error:
                # Without the catalog the tokens run out by themselves; nobody has them any more.
                _log.warning("session_not_ended_at_catalog", error=str(error))
        for tell in self.on_end:
            tell(digest)

    def at_work(self, within_s: float) -> list[SignedIn]:
        """Return the people who used the console in this time."""
        since = self._clock.monotonic() - within_s
        return [person for digest, person in self._open.items() if self._touched.get(digest, since) > since]

    async def sweep(self) -> int:
        """Forget sessions that can no longer be used."""
        async with self._db.write() as session:
            gone = await store.forget_expired(session, now=self._clock.now(), idle_s=self._idle_s)
        now = self._clock.monotonic()
        for digest, at in list(self._touched.items()):
            if now - at > self._idle_s:
                self._touched.pop(digest, None)
                self._open.pop(digest, None)
        return gone

    async def _newest(self, cookie: str) -> Kept | None:
        async with self._db.read() as session:
            found = await store.find(session, digest_of(cookie))
        now = self._clock.now()
        if found is None or found.expires_at <= now or found.last_used_at <= now - self._idle_s:
            return None
        return _open(cookie, found.sealed)

    async def _persist(self, cookie: str, kept: Kept) -> None:
        async with self._db.write() as session:
            await store.reseal(session, digest_of(cookie), _seal(cookie, kept))

    async def _touch(self, digest: str) -> None:
        if self._clock.monotonic() - self._touched.get(digest, float("-inf")) > _TOUCH_EVERY_S:
            self._touched[digest] = self._clock.monotonic()
            async with self._db.write() as session:
                await store.touch(session, digest, self._clock.now())

    def _signed_in(self, cookie: str, kept: Kept) -> SignedIn:
        person = SignedIn(
            kept,
            digest=digest_of(cookie),
            http=self._http,
            logins=self.logins,
            addresses=self._addresses,
            clock=self._clock,
            ids=self._ids,
            persist=partial(self._persist, cookie),
            newest=partial(self._newest, cookie),
            conversations=Conversations(
                self._db, lambda: Owner(person.kept.user_id, person.kept.tenant_id), clock=self._clock, ids=self._ids
            ),
        )
        return person


def _seal(cookie: str, kept: Kept) -> bytes:
    return Fernet(sealing_key_of(cookie)).encrypt(msgspec.json.encode(kept))


def _open(cookie: str, sealed: bytes) -> Kept | None:
    try:
        return msgspec.json.decode(Fernet(sealing_key_of(cookie)).decrypt(sealed), type=Kept)
    except (InvalidToken, msgspec.DecodeError):
        return None

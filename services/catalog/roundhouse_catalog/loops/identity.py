"""Keeps what tokens are made and judged with equal to SQL: signing keys, sign-outs, and the first password."""

import asyncio
from collections.abc import Callable, Sequence
from typing import NoReturn

import structlog

from roundhouse_catalog.domain.sessions import SessionRules
from roundhouse_catalog.domain.signing_keys import KeyRules, SigningKey, current_key, published, withdrawn
from roundhouse_catalog.store.logins import forget_attempts
from roundhouse_catalog.store.sessions import all_sign_outs, forget_sessions
from roundhouse_catalog.store.signing_keys import all_signing_keys, insert_signing_key, update_signing_key
from roundhouse_common.auth.tokens import TokenVerifier
from roundhouse_common.database import Database, WriteSession
from roundhouse_common.runtime import Clock, UnixTime
from roundhouse_common.secret_box import SecretBoxFault

__all__ = ["IdentityKeeper", "sweep_logins"]

_EVERY_S = 5.0
_KEEP_SESSIONS_S = 30 * 86_400.0
_KEEP_ATTEMPTS_S = 86_400.0
_log = structlog.get_logger("roundhouse.catalog")


class IdentityKeeper:
    """Looks when woken and every few seconds: several catalogs share the record, and the bus may be away."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        verifier: TokenVerifier,
        *,
        load: Callable[[Sequence[SigningKey]], None],
        make_key: Callable[[UnixTime], SigningKey],
        key_rules: KeyRules,
        session_rules: SessionRules,
        publish: Callable[[], None],
    ) -> None:
        """`load` takes the keys to sign with, `make_key` makes one that signs from a moment on."""
        self._db = db
        self._clock = clock
        self._verifier = verifier
        self._load = load
        self._make_key = make_key
        self._key_rules = key_rules
        self._session_rules = session_rules
        self._publish = publish
        self._wanted = asyncio.Event()
        self._has_complained = False

    def wake(self) -> None:
        """Look now: keys or sign-outs have changed."""
        self._wanted.set()

    async def run(self) -> NoReturn:
        """Keep looking until cancelled."""
        while True:
            self._wanted.clear()
            await self.look()
            try:
                async with asyncio.timeout(_EVERY_S):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Read the record, add the first key or withdraw old ones where that is due, and tell who needs to know."""
        now = self._clock.now()
        async with self._db.read() as session:
            keys = await all_signing_keys(session)
            outs = await all_sign_outs(session, self._session_rules, now)
        if current_key(keys, now) is None or withdrawn(keys, self._key_rules, now):
            keys = await self._changed(now)
        self._load(keys)
        shown = published(keys)
        if any(key.withdrawn_at is None for key in keys):
            self._verifier.trust(shown.jwks, generation=shown.generation)
        self._verifier.void(outs)

    async def _changed(self, now: UnixTime) -> list[SigningKey]:
        """Make the changes that are due, and return the keys there are then."""
        async with self._db.write() as session:
            keys = await all_signing_keys(session)
            for old in withdrawn(keys, self._key_rules, now):
                await update_signing_key(session, old)
                _log.info("catalog.signing_key_withdrawn", kid=old.kid)
            if current_key(keys, now) is None:
                await self._add_first(session, now)
            session.after_commit(self._publish)
            return await all_signing_keys(session)

    async def _add_first(self, session: WriteSession, now: UnixTime) -> None:
        try:
            key = self._make_key(now)
        except SecretBoxFault as error:
            if not self._has_complained:
                _log.warning("catalog.nobody_can_log_in", why=str(error))
            self._has_complained = True
            return
        await insert_signing_key(session, key)
        _log.info("catalog.signing_key_added", kid=key.kid)


async def sweep_logins(db: Database, clock: Clock, *, every_s: float) -> NoReturn:
    """Remove what nobody needs of sessions and attempts, now and every `every_s`. A missed round costs only space."""
    while True:
        async with db.write() as session:
            await forget_sessions(session, before=clock.now() - _KEEP_SESSIONS_S)
            await forget_attempts(session, before=clock.now() - _KEEP_ATTEMPTS_S)
        await asyncio.sleep(every_s)

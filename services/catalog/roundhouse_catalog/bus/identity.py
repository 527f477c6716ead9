"""The buckets that tell whose access tokens count. Made equal to SQL like the others of the catalog."""

from collections.abc import Awaitable, Callable, Mapping

from roundhouse_catalog.domain.sessions import SessionRules
from roundhouse_catalog.domain.signing_keys import published
from roundhouse_catalog.store.sessions import all_sign_outs
from roundhouse_catalog.store.signing_keys import all_signing_keys
from roundhouse_common.bus.api import Bus
from roundhouse_common.bus.publisher import Publisher
from roundhouse_common.contracts.identity import SigningKeys, SignOut
from roundhouse_common.contracts.registry import SIGN_OUTS, SIGNING_KEYS
from roundhouse_common.database import Database
from roundhouse_common.runtime import Clock

__all__ = ["IdentityPublications"]

_CURRENT = "current"


class IdentityPublications:
    """Publishes signing keys and sign-outs. A sign-out is removed once the tokens it is about have expired."""

    def __init__(self, db: Database, bus: Bus, clock: Clock, rules: SessionRules) -> None:
        self._db = db
        self._clock = clock
        self._rules = rules
        self._keys = Publisher(bus, SIGNING_KEYS, desired=self._published)
        self._sign_outs = Publisher(bus, SIGN_OUTS, desired=self._signed_out, prune=True)

    def wake(self) -> None:
        """Look now: the record has changed. Losing it costs at most a resync interval."""
        self._keys.wake()
        self._sign_outs.wake()

    def loops(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """Return what keeps the buckets equal to the record, by name, until cancelled."""
        return {"publish signing keys": self._keys.run, "publish sign-outs": self._sign_outs.run}

    async def rebuild(self) -> dict[str, int]:
        """Write every entry again and return how many by bucket. Raises BusUnavailable."""
        return {
            SIGNING_KEYS.subject: await self._keys.rebuild(),
            SIGN_OUTS.subject: await self._sign_outs.rebuild(),
        }

    async def _published(self) -> Mapping[str, SigningKeys]:
        async with self._db.read() as session:
            keys = await all_signing_keys(session)
        return {_CURRENT: published(keys)} if any(key.withdrawn_at is None for key in keys) else {}

    async def _signed_out(self) -> Mapping[str, SignOut]:
        async with self._db.read() as session:
            return await all_sign_outs(session, self._rules, self._clock.now())

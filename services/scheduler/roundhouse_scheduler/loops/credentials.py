"""The servers refuse every key that was taken back: of nodes that were removed, or that joined again with another."""

from collections.abc import Mapping

from roundhouse_common.bus.api import BusUnavailable
from roundhouse_common.bus.nats_accounts import NatsAccounts
from roundhouse_common.database import Database
from roundhouse_common.nats_auth.authority import NodeAuthority
from roundhouse_common.nats_auth.jwt import claims_of
from roundhouse_common.nats_auth.keys import public_key
from roundhouse_common.runtime import Clock
from roundhouse_common.service import get_logger
from roundhouse_scheduler.loops.waking import Waker
from roundhouse_scheduler.store import joining as store

__all__ = ["CredentialKeeper"]

_LOOK_EVERY_S = 2.0
_COMPARE_EVERY_S = 60.0
_TOKENS_KEPT_S = 7 * 86_400.0
_log = get_logger(__name__)


class CredentialKeeper:
    """Makes the account on the servers equal to the record. Safe to run several times at once."""

    def __init__(
        self, db: Database, accounts: NatsAccounts, authority: NodeAuthority, *, clock: Clock, waker: Waker
    ) -> None:
        self._db = db
        self._accounts = accounts
        self._authority = authority
        self._clock = clock
        self._waker = waker
        self._told: dict[str, int] | None = None
        """What the servers were last known to refuse."""
        self._compared_at = float("-inf")

    async def run(self) -> None:
        """Look every two seconds and when woken: an unknown removal is at work no longer than that."""
        while True:
            try:
                await self.sync()
            except BusUnavailable as error:
                _log.warning("credentials_wait", why=str(error))
            await self._waker.wait(_LOOK_EVERY_S)

    async def sync(self) -> None:
        """Take back the keys of removed nodes, and tell the servers when they do not refuse them yet.

        Raises BusUnavailable: then it is not known what the servers refuse, and the next call asks them.
        """
        refused = await self._take_back()
        now = self._clock.monotonic()
        if refused == self._told and now - self._compared_at < _COMPARE_EVERY_S:
            return
        self._told = None
        await self._tell(refused)
        self._told, self._compared_at = refused, now

    async def _take_back(self) -> dict[str, int]:
        """Return every key that is to be refused, after taking back those of removed nodes."""
        async with self._db.read() as session:
            good = await store.keys_of_removed(session)
            refused = await store.revoked_keys(session)
        if not good:
            return refused
        now = self._clock.now()
        async with self._db.write() as session:
            await store.revoke_keys(session, good, at=now)
            await store.forget_tokens(session, expired_before=now - _TOKENS_KEPT_S)
        _log.info("credentials_revoked", public_keys=good)
        async with self._db.read() as session:
            return await store.revoked_keys(session)

    async def _tell(self, refused: Mapping[str, int]) -> None:
        """Write the account unless the servers have it so. What they refuse already stays refused, whoever said so."""
        found = claims_of(held) if (held := await self._accounts.read()) else {}
        there: dict[str, int] = found.get("nats", {}).get("revocations", {})
        wanted = {key: max(there.get(key, 0), refused.get(key, 0)) for key in {*there, *refused}}
        is_ours = found.get("iss") == public_key(self._authority.operator_signing_seed)
        if is_ours and found["nats"] == self._authority.account_claims(wanted)["nats"]:
            return
        await self._accounts.write(self._authority.account_jwt(wanted, at=self._clock.now()))
        _log.info("account_written", refused=len(wanted))

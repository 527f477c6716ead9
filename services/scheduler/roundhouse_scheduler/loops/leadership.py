"""Which scheduler leads, by a lease in the database that no clock of another machine has a say in.

A standby takes over when the claim has not changed for `lease_s` on its own monotonic clock. The leader renews it
every `renew_every_s`, and stops leading by itself when it could not for two thirds of `lease_s`, by its own clock,
counted from before the renewal began. Whatever it still does then is refused: every commit checks the term.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from roundhouse_common.database import Database, DatabaseBusy, DatabaseUnavailable, ReadSession
from roundhouse_common.runtime import Clock
from roundhouse_common.service import get_logger
from roundhouse_scheduler.domain.errors import TermSuperseded
from roundhouse_scheduler.metrics import SchedulerMetrics
from roundhouse_scheduler.store.leadership import NOBODY, Claim, check_term, read_claim, release, renew, take_over

__all__ = ["Leadership", "LeaseRules", "nobody_is_gone"]

_SHARE_TO_RENEW = 2 / 3
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRules:
    """Seconds."""

    lease_s: float = 15.0
    renew_every_s: float = 2.0


def nobody_is_gone(_holder: str) -> bool:
    """Nothing is known for certain: only the lease tells."""
    return False


class Leadership:
    """One scheduler's part in it. `is_gone(holder)` may know for certain that a holder's process has ended."""

    def __init__(
        self,
        db: Database,
        *,
        holder: str,
        clock: Clock,
        metrics: SchedulerMetrics,
        rules: LeaseRules | None = None,
        is_gone: Callable[[str], bool] = nobody_is_gone,
    ) -> None:
        self._db = db
        self._holder = holder
        self._clock = clock
        self._metrics = metrics
        self._rules = rules or LeaseRules()
        self._is_gone = is_gone
        self._term = 0
        self._renewed_at = float("-inf")
        self._seen = NOBODY
        self._seen_at: float | None = None
        self._changed = asyncio.Event()
        self._is_released = False

    @property
    def is_leading(self) -> bool:
        """Whether this scheduler may plan now."""
        renewed_s = self._clock.monotonic() - self._renewed_at
        return self._term > 0 and renewed_s < self._rules.lease_s * _SHARE_TO_RENEW

    @property
    def term(self) -> int:
        """The term in which this scheduler leads; 0 while it does not."""
        return self._term if self.is_leading else 0

    @property
    def holder(self) -> str:
        """Who leads, as far as is known here."""
        return self._holder if self.is_leading else self._seen.holder

    async def look(self) -> None:
        """Renew, take over or wait. Raises DatabaseUnavailable or DatabaseBusy."""
        if self._is_released:
            return
        began = self._clock.monotonic()
        if self._term > 0:
            await self._renew(began)
        else:
            async with self._db.read() as session:
                claim = await read_claim(session)
            if self._may_take(claim, began):
                await self._take(claim, began)

    async def run(self) -> None:
        """Look every few seconds, for ever."""
        while True:
            try:
                async with asyncio.timeout(self._rules.lease_s * _SHARE_TO_RENEW):
                    await self.look()
            except (DatabaseUnavailable, DatabaseBusy, TimeoutError) as error:
                _log.warning("leadership_unknown", why=str(error) or "the database does not answer")
            if self._term > 0 and not self.is_leading:
                self.stand_down("it could not be renewed in time")
            await asyncio.sleep(self._rules.renew_every_s)

    async def check(self, session: ReadSession) -> None:
        """Raise TermSuperseded in a transaction that only the leader may make, when this scheduler is not it."""
        try:
            await check_term(session, self.term, self._holder)
        except TermSuperseded as error:
            self.stand_down(error.message)
            raise

    async def release(self) -> None:
        """Give it up for good, so that a standby takes over at once: the process is about to end."""
        term, self._is_released = self._term, True
        self.stand_down("it was released")
        if term == 0:
            return
        try:
            async with self._db.write() as session:
                await release(session, term, self._holder)
        except (DatabaseUnavailable, DatabaseBusy) as error:
            _log.info("leadership_not_released", why=str(error))

    def while_leading(self, loop: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """Return a loop that turns only while this scheduler leads."""

        async def run() -> None:
            while True:
                await self._until(is_leading=True)
                async with asyncio.TaskGroup() as group:
                    turning = group.create_task(_forever(loop), name="while-leading")
                    await self._until(is_leading=False)
                    turning.cancel()

        return run

    def stand_down(self, why: str) -> None:
        """Stop leading now; the claim, if it still is this scheduler's, runs out by itself."""
        if self._term == 0:
            return
        _log.warning("leadership_lost", term=self._term, why=why)
        self._term, self._seen_at = 0, None
        self._metrics.leading.set(0)
        self._changed.set()

    async def _renew(self, began: float) -> None:
        try:
            async with self._db.write() as session:
                await renew(session, self._term, self._holder)
        except TermSuperseded as error:
            self.stand_down(error.message)
            return
        self._renewed_at = began

    def _may_take(self, claim: Claim, now: float) -> bool:
        if claim != self._seen or self._seen_at is None:
            self._seen, self._seen_at = claim, now
        if not claim.holder or claim.holder == self._holder or self._is_gone(claim.holder):
            return True
        return now - self._seen_at >= self._rules.lease_s

    async def _take(self, claim: Claim, began: float) -> None:
        async with self._db.write() as session:
            mine = await take_over(session, claim, self._holder)
        if mine is None:
            return
        self._term, self._renewed_at, self._seen = mine.term, began, mine
        self._metrics.leading.set(1)
        self._metrics.term.set(mine.term)
        _log.info("leadership_taken", term=mine.term, after=claim.holder or "nobody")
        self._changed.set()

    async def _until(self, *, is_leading: bool) -> None:
        while self.is_leading is not is_leading:
            self._changed.clear()
            try:
                async with asyncio.timeout(self._rules.renew_every_s):
                    await self._changed.wait()
            except TimeoutError:
                continue


async def _forever(loop: Callable[[], Awaitable[None]]) -> None:
    await loop()

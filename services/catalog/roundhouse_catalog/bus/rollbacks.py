"""Takes a version that failed back: the one that was active before it becomes active again."""

from collections.abc import Callable, Sequence

import structlog

from roundhouse_catalog.domain.deployments import Stamp
from roundhouse_catalog.domain.version_life import Ignored, note_failure, roll_back, rollback_number
from roundhouse_catalog.store import deployments as store
from roundhouse_common.bus.api import Delivery
from roundhouse_common.contracts.scheduler import VersionFailed
from roundhouse_common.database import Database, WriteSession
from roundhouse_common.runtime import Clock, Ids

__all__ = ["DURABLE", "Rollbacks"]

DURABLE = "catalog-rollbacks"
_ACTOR = "service:catalog"
_log = structlog.get_logger("roundhouse.catalog")


class Rollbacks:
    """The handler of the durable consumer: one transaction per batch.

    Safe to repeat: a failure counts only while the version that failed is the active one, and only once.
    """

    def __init__(self, db: Database, *, clock: Clock, ids: Ids, wake: Callable[[], None]) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._wake = wake

    async def __call__(self, batch: Sequence[Delivery[VersionFailed]]) -> None:
        async with self._db.write() as session:
            for delivery in batch:
                await self._take(session, delivery.message)

    async def _take(self, session: WriteSession, failed: VersionFailed) -> None:
        log = _log.bind(deployment_id=failed.deployment_id, version=failed.version_number, reason=failed.reason.value)
        deployment = await store.find_deployment_anywhere(session, failed.deployment_id)
        if deployment is None:
            log.info("catalog.failure_ignored", why="the deployment is deleted")
            return
        noted = note_failure(deployment, failed)
        if isinstance(noted, Ignored):
            log.info("catalog.failure_ignored", why=noted.why)
            return
        previous = await store.find_version(session, noted.deployment_id, rollback_number(noted, failed))
        stamp = Stamp(at=self._clock.now(), actor=_ACTOR, event_id=self._ids.new("evt"))
        decision = roll_back(noted, failed, previous, stamp=stamp)
        if isinstance(decision, Ignored):
            await store.note_failed_numbers(session, noted)
            log.warning("catalog.not_rolled_back", why=decision.why, detail=failed.detail)
            return
        await store.update_deployment(session, decision)
        session.after_commit(self._wake)
        log.warning("catalog.rolled_back", to=decision.deployment.version.spec.number, detail=failed.detail)

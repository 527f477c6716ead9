"""Takes what administrators changed into the timeline."""

from collections.abc import Sequence

from roundhouse_common.bus.api import Delivery
from roundhouse_common.contracts.catalog import DeploymentChanged
from roundhouse_common.database import Database
from roundhouse_scheduler.store.timeline import note_changes

__all__ = ["DURABLE", "ChangeRecorder"]

DURABLE = "scheduler-timeline"


class ChangeRecorder:
    """The handler of the durable consumer: one transaction per batch, idempotent by event id."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def __call__(self, batch: Sequence[Delivery[DeploymentChanged]]) -> None:
        async with self._db.write() as session:
            await note_changes(session, [delivery.message for delivery in batch])

"""Enters what other services tell of the audit."""

from collections.abc import Sequence

from roundhouse_catalog.store.audit import record
from roundhouse_common.bus.api import Bus, Consumer, Delivery
from roundhouse_common.contracts.identity import AuditRecord
from roundhouse_common.contracts.registry import AUDIT
from roundhouse_common.database import Database

__all__ = ["AuditEntries", "audit_consumers"]


class AuditEntries:
    """The handler of the durable consumers: one transaction per batch. A record that comes twice is entered once."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def __call__(self, batch: Sequence[Delivery[AuditRecord]]) -> None:
        async with self._db.write() as session:
            for delivery in batch:
                await record(session, delivery.message)


def audit_consumers(bus: Bus, db: Database) -> list[Consumer]:
    """Return a consumer for each service that tells of the audit."""
    return [bus.consumer(contract, contract.durables[0], AuditEntries(db)) for contract in AUDIT.values()]

"""What a service has told the audit, read from its outbox before anybody has sent it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, select

from roundhouse_common.bus.codec import decode
from roundhouse_common.contracts.identity import AuditRecord
from roundhouse_common.database import Database

__all__ = ["Told", "told_to_audit"]


@dataclass(frozen=True)
class Told:
    action: str
    object_id: str
    object_name: str
    change: dict[str, list[Any]]  # Any: JSON values


async def told_to_audit(db: Database, outbox: Table) -> Sequence[Told]:
    """Return the records in the order of their commits."""
    async with db.read() as session:
        rows = await session.execute(select(outbox).where(outbox.c.subject.like("%.audit.%")).order_by(outbox.c.id))
        records = [decode(AuditRecord, row.payload) for row in rows]
    return [
        Told(one.action, one.object_id, one.object_name, json.loads(one.change) if one.change else {})
        for one in records
    ]

"""Whose replicas there were."""

from collections.abc import Sequence

from sqlalchemy import select

from roundhouse_common.database import ReadSession
from roundhouse_metering.store.tables import replica_spans

__all__ = ["replica_tenants"]


async def replica_tenants(session: ReadSession) -> Sequence[str]:
    """Return the ids of the tenants that ever had a replica, in order."""
    return sorted(await session.scalars(select(replica_spans.c.tenant_id).distinct()))

"""Switches: what is under way for the planner, and the listing for people."""

from typing import Any

from sqlalchemy import Row, select

from roundhouse_common.database import ReadSession
from roundhouse_scheduler.domain.errors import UnknownSwitch
from roundhouse_scheduler.domain.switching.switch import Switch
from roundhouse_scheduler.store import tables

__all__ = ["find_switch", "list_switches", "open_switches"]

_T = tables.switches


async def open_switches(session: ReadSession) -> dict[str, Switch]:
    """Return the switches that have not ended, by id."""
    rows = await session.execute(select(_T).where(_T.c.ended_at.is_(None)))
    return {row.switch_id: _from(row) for row in rows}


async def list_switches(session: ReadSession, tenant_id: str, *, limit: int, before: str) -> list[Switch]:
    """Return a tenant's switches, the newest first; `before` is the last id that was seen."""
    query = select(_T).where(_T.c.tenant_id == tenant_id)
    if before:
        query = query.where(_T.c.switch_id < before)
    return [_from(row) for row in await session.execute(query.order_by(_T.c.switch_id.desc()).limit(limit))]


async def find_switch(session: ReadSession, tenant_id: str, switch_id: str) -> Switch:
    """Return one switch of a tenant. Raises UnknownSwitch."""
    query = select(_T).where(_T.c.switch_id == switch_id, _T.c.tenant_id == tenant_id)
    row = (await session.execute(query)).first()
    if row is None:
        raise UnknownSwitch(switch_id)
    return _from(row)


def _from(row: Row[Any]) -> Switch:  # Row[Any]: the columns are the record's fields
    return Switch(**row._mapping)

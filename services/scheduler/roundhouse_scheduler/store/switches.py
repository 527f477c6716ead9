"""Switches: what is under way for the planner; what people ask for, call off and list."""

from typing import Any

import msgspec
from sqlalchemy import Row, select

from roundhouse_common.contracts.catalog import DeploymentDesired
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_scheduler.domain.errors import DeploymentIsStopped, UnknownDeployment, UnknownSwitch
from roundhouse_scheduler.domain.switching.switch import Switch
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.pages import find_deployment
from roundhouse_scheduler.store.rows import add, replace

__all__ = ["ask_for_switch", "cancel_switch", "find_switch", "list_switches", "open_switches"]

_T = tables.switches
_OPEN = select(_T).where(_T.c.ended_at.is_(None))


async def open_switches(session: ReadSession) -> dict[str, Switch]:
    """Return the switches that have not ended, by id."""
    rows = await session.execute(_OPEN)
    return {row.switch_id: _from(row) for row in rows}


async def list_switches(
    session: ReadSession, tenant_id: str, *, limit: int, before: str, deployment_id: str | None = None
) -> list[Switch]:
    """Return a tenant's switches, or those to one deployment, the newest first; `before` is the last id that was
    seen."""
    query = select(_T).where(_T.c.tenant_id == tenant_id)
    if deployment_id is not None:
        query = query.where(_T.c.deployment_id == deployment_id)
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


async def ask_for_switch(
    session: WriteSession, tenant_id: str, deployment_id: str, *, switch_id: str, actor: str, at: float
) -> tuple[Switch, bool]:
    """Return a new switch to the deployment, or the one under way, and whether it is new.

    Raises UnknownDeployment, and DeploymentIsStopped.
    """
    deployment = await find_deployment(session, tenant_id, deployment_id)
    if deployment.desired is DeploymentDesired.DELETE:
        raise UnknownDeployment(deployment_id)
    if deployment.desired is not DeploymentDesired.RUN:
        raise DeploymentIsStopped(deployment.name)
    query = select(_T).where(_T.c.deployment_id == deployment_id, _T.c.ended_at.is_(None))
    row = (await session.execute(query.order_by(_T.c.switch_id).limit(1))).first()
    if row is not None:
        return _from(row), False
    switch = Switch(
        switch_id=switch_id,
        tenant_id=tenant_id,
        deployment_id=deployment_id,
        actor=actor,
        detail="asked for",
        began_at=at,
        deadline_at=at + deployment.wake_timeout_s,
        was_asleep=deployment.is_sleeping,
    )
    await add(session, tables.switches, switch)
    return switch, True


async def cancel_switch(session: WriteSession, tenant_id: str, switch_id: str) -> Switch:
    """Mark a switch as called off; the planner does the rest. Raises UnknownSwitch."""
    switch = await find_switch(session, tenant_id, switch_id)
    if not switch.is_open or switch.is_cancelling:
        return switch
    switch = msgspec.structs.replace(switch, is_cancelling=True)
    await replace(session, tables.switches, switch)
    return switch


def _from(row: Row[Any]) -> Switch:  # Row[Any]: the columns are the record's fields
    return Switch(**row._mapping)

"""Switches: what is under way for the planner; what people ask for, call off and list."""

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, select

from roundhouse_common.auth import Reach
from roundhouse_common.contracts.catalog import DeploymentDesired
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.errors import Forbidden
from roundhouse_scheduler.domain.errors import DeploymentIsStopped, UnknownDeployment, UnknownSwitch
from roundhouse_scheduler.domain.records import Deployment
from roundhouse_scheduler.domain.switching.switch import Switch
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.pages import find_deployment, within
from roundhouse_scheduler.store.rows import add, replace

__all__ = ["ask_for_switch", "cancel_switch", "find_switch", "list_switches", "open_switches"]

_T = tables.switches
_OPEN = select(_T).where(_T.c.ended_at.is_(None))


async def open_switches(session: ReadSession) -> dict[str, Switch]:
    """Return the switches that have not ended, by id."""
    rows = await session.execute(_OPEN)
    return {row.switch_id: _from(row) for row in rows}


async def list_switches(
    session: ReadSession, reach: Reach, *, limit: int, before: str, deployment_id: str | None = None
) -> list[Switch]:
    """Return the switches within reach, or those to one deployment, the newest first; `before` is the last id that
    was seen."""
    query = select(_T).where(_reached(reach))
    if deployment_id is not None:
        query = query.where(_T.c.deployment_id == deployment_id)
    if before:
        query = query.where(_T.c.switch_id < before)
    return [_from(row) for row in await session.execute(query.order_by(_T.c.switch_id.desc()).limit(limit))]


async def find_switch(session: ReadSession, reach: Reach, switch_id: str) -> Switch:
    """Return one switch. Raises UnknownSwitch, also for one that is out of reach."""
    query = select(_T).where(_T.c.switch_id == switch_id, _reached(reach))
    row = (await session.execute(query)).first()
    if row is None:
        raise UnknownSwitch(switch_id)
    return _from(row)


async def ask_for_switch(
    session: WriteSession, reach: Reach, deployment_id: str, *, may: Reach, switch_id: str, actor: str, at: float
) -> tuple[Switch, bool]:
    """Return a new switch to the deployment, or the one under way, and whether it is new. `may` says where the caller
    may ask for one.

    Raises UnknownDeployment, Forbidden where the caller may only look, and DeploymentIsStopped.
    """
    deployment = await find_deployment(session, reach, deployment_id)
    _require(may, deployment, actor)
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
        tenant_id=reach.tenant_id,
        deployment_id=deployment_id,
        actor=actor,
        detail="asked for",
        began_at=at,
        deadline_at=at + deployment.wake_timeout_s,
        was_asleep=deployment.is_sleeping,
    )
    await add(session, tables.switches, switch)
    return switch, True


async def cancel_switch(session: WriteSession, reach: Reach, switch_id: str, *, may: Reach, actor: str) -> Switch:
    """Mark a switch as called off; the planner does the rest. Raises UnknownSwitch, and Forbidden."""
    switch = await find_switch(session, reach, switch_id)
    if may != reach:
        _require(may, await find_deployment(session, reach, switch.deployment_id), actor)
    if not switch.is_open or switch.is_cancelling:
        return switch
    switch = msgspec.structs.replace(switch, is_cancelling=True)
    await replace(session, tables.switches, switch)
    return switch


def _require(may: Reach, deployment: Deployment, actor: str) -> None:
    if not may.covers(deployment.project_id):
        raise Forbidden(f'{actor} may see the deployment "{deployment.name}", and not change it.')


def _reached(reach: Reach) -> ColumnElement[bool]:
    """Switches belong to their tenant, and to the project of the deployment that they lead to."""
    of_tenant = _T.c.tenant_id == reach.tenant_id
    if reach.project_ids is None:
        return of_tenant
    mine = select(tables.deployments.c.deployment_id).where(within(tables.deployments, reach))
    return of_tenant & _T.c.deployment_id.in_(mine)


def _from(row: Row[Any]) -> Switch:  # Row[Any]: the columns are the record's fields
    return Switch(**row._mapping)

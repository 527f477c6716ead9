"""Write a plan: its rows, the timeline and the outbox, in one transaction."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import insert

from roundhouse_common.contracts.registry import REPLICA_TRANSITION
from roundhouse_common.contracts.scheduler import Phase, Reason, ReplicaTransition
from roundhouse_common.database import Outgoing, WriteSession, enqueue_all
from roundhouse_common.runtime import Ids
from roundhouse_scheduler.domain.documents import device_class
from roundhouse_scheduler.domain.plan import Created, Moved, NodeMarked, Noted, Plan, Scaled, Wanted
from roundhouse_scheduler.domain.records import Deployment, Node, Replica
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.node_events import note_marks
from roundhouse_scheduler.store.revision import next_revision
from roundhouse_scheduler.store.rows import add_all, replace_all
from roundhouse_scheduler.store.versions import write_failures

__all__ = ["commit_plan"]

_ACTOR = "service:scheduler"
_Event = dict[str, Any]  # Any: a row of `events`


async def commit_plan(
    session: WriteSession,
    plan: Plan,
    replicas: Mapping[str, Replica],
    *,
    at: float,
    ids: Ids,
    deployments: Mapping[str, Deployment] = MappingProxyType({}),
    nodes: Mapping[str, Node] = MappingProxyType({}),
) -> int:
    """Write the plan whole and return the revision of its rows, or raise StaleView when any row it touches has
    changed since it was read. A statement for each kind of row, however many there are.

    `replicas` are all replicas that the plan's actions speak of, as they are after it; `deployments` and `nodes` those
    that they belong to.
    """
    revision = await next_revision(session)
    await _write_rows(session, plan, revision)
    events: list[_Event] = []
    transitions: list[Outgoing[ReplicaTransition]] = []
    for action in plan.actions:
        match action:
            case Scaled():
                events.append(_scaled(action, at=at, ids=ids))
            case Created() | Wanted():
                events.append(_noted(action, replicas[action.replica_id], at=at, ids=ids))
            case Moved():
                replica = replicas[action.replica_id]
                events.append(_noted(action, replica, at=at, ids=ids))
                if action.before is not action.after or action.reason is Reason.FAILURE_BUDGET_SPENT:
                    owner = deployments.get(replica.deployment_id)
                    message = _transition(
                        action, replica, owner, nodes.get(replica.node_id), at=at, event_id=ids.new("evt")
                    )
                    transitions.append(Outgoing(message, (replica.replica_id,), message.event_id))
            case Noted():
                events.append(_told(action, at=at, ids=ids))
            case _:
                continue
    if events:
        await session.execute(insert(tables.events), events)
    await enqueue_all(session, REPLICA_TRANSITION, transitions)
    marks = [action for action in plan.actions if isinstance(action, NodeMarked)]
    await note_marks(session, marks, at=at, ids=ids)
    await write_failures(session, plan.actions, at=at, ids=ids)
    return revision


async def _write_rows(session: WriteSession, plan: Plan, revision: int) -> None:
    await replace_all(session, tables.nodes, plan.nodes, revision=revision, but_for=("last_heartbeat_at",))
    await replace_all(session, tables.deployments, plan.deployments, revision=revision)
    await replace_all(session, tables.replicas, plan.replicas, revision=revision)
    await add_all(session, tables.replicas, plan.new_replicas, revision=revision)
    await replace_all(session, tables.switches, plan.switches, revision=revision)
    await add_all(session, tables.switches, plan.new_switches, revision=revision)


def _noted(action: Created | Wanted | Moved, replica: Replica, *, at: float, ids: Ids) -> _Event:
    match action:
        case Created():
            kind, before, after, reason = "replica.created", "", replica.phase.value, "created"
            detail = f"in place of {action.replaces}" if action.replaces else ""
        case Wanted():
            kind, before, after, reason = "replica.wanted", "", action.desired.value, action.reason.value
            detail = ""
        case Moved():
            kind, before, after = "replica.phase", action.before.value, action.after.value
            reason, detail = action.reason.value, action.detail
    return {
        "event_id": ids.new("evt"),
        "at": at,
        "deployment_id": replica.deployment_id,
        "kind": kind,
        "replica_id": replica.replica_id,
        "before": before,
        "after": after,
        "reason": reason,
        "detail": detail,
        "actor": _ACTOR,
    }


def _told(action: Noted, *, at: float, ids: Ids) -> _Event:
    return {
        "event_id": ids.new("evt"),
        "at": at,
        "deployment_id": action.deployment_id,
        "kind": action.kind,
        "replica_id": action.replica_id,
        "before": "",
        "after": "",
        "reason": action.reason,
        "detail": action.detail,
        "actor": _ACTOR,
    }


def _scaled(action: Scaled, *, at: float, ids: Ids) -> _Event:
    return {
        "event_id": ids.new("evt"),
        "at": at,
        "deployment_id": action.deployment_id,
        "kind": "deployment.scaled",
        "replica_id": "",
        "before": str(action.before),
        "after": str(action.after),
        "reason": action.reason.value,
        "detail": action.detail,
        "actor": _ACTOR,
    }


def _transition(
    action: Moved, replica: Replica, deployment: Deployment | None, node: Node | None, *, at: float, event_id: str
) -> ReplicaTransition:
    """Say what changed, and what the replica holds and does from here on: replica-seconds are counted from it.

    One that is lost holds its claim for the planner, in case its node comes back; nobody has any use of it.
    """
    return ReplicaTransition(
        event_id=event_id,
        at=at,
        replica_id=replica.replica_id,
        deployment_id=replica.deployment_id,
        version_id=replica.version_id,
        node_id=action.node_id or replica.node_id,
        before=action.before,
        after=action.after,
        reason=action.reason,
        detail=action.detail,
        tenant_id=deployment.tenant_id if deployment is not None else "",
        version_number=replica.version_number,
        is_holding=replica.is_held and replica.phase is not Phase.LOST,
        is_serving=replica.is_serving and replica.phase in (Phase.READY, Phase.UNKNOWN),
        resources=replica.resources,
        device_uuids=replica.device_uuids,
        device_class=device_class(replica, node),
        project_id=deployment.project_id if deployment is not None else "",
    )

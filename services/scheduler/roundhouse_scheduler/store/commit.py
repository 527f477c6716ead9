"""Write a plan: its rows, the timeline and the outbox, in one transaction."""

from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy import insert

from roundhouse_common.contracts.registry import REPLICA_TRANSITION
from roundhouse_common.contracts.scheduler import Phase, Reason, ReplicaTransition
from roundhouse_common.database import WriteSession, enqueue
from roundhouse_common.runtime import Ids
from roundhouse_scheduler.domain.plan import Created, Moved, Plan, Scaled, Wanted
from roundhouse_scheduler.domain.records import Deployment, Replica
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.rows import add, replace

__all__ = ["commit_plan"]

_ACTOR = "service:scheduler"


async def commit_plan(
    session: WriteSession,
    plan: Plan,
    replicas: Mapping[str, Replica],
    *,
    at: float,
    ids: Ids,
    deployments: Mapping[str, Deployment] = MappingProxyType({}),
) -> None:
    """Write the plan whole, or raise StaleView when any row it touches has changed since it was read.

    `replicas` are all replicas that the plan's actions speak of, as they are after it; `deployments` those that they
    belong to.
    """
    for node in plan.nodes:
        await replace(session, tables.nodes, node)
    for deployment in plan.deployments:
        await replace(session, tables.deployments, deployment)
    for replica in plan.replicas:
        await replace(session, tables.replicas, replica)
    for replica in plan.new_replicas:
        await add(session, tables.replicas, replica)
    for switch in plan.switches:
        await replace(session, tables.switches, switch)
    for switch in plan.new_switches:
        await add(session, tables.switches, switch)
    for action in plan.actions:
        match action:
            case Scaled():
                await _note_scaled(session, action, at=at, ids=ids)
            case Created() | Wanted():
                await _note(session, action, replicas[action.replica_id], at=at, ids=ids)
            case Moved():
                await _note(session, action, replicas[action.replica_id], at=at, ids=ids)
                if action.before is not action.after or action.reason is Reason.FAILURE_BUDGET_SPENT:
                    replica = replicas[action.replica_id]
                    owner = deployments.get(replica.deployment_id)
                    message = _transition(action, replica, owner, at=at, event_id=ids.new("evt"))
                    await enqueue(session, REPLICA_TRANSITION, message, replica.replica_id, event_id=message.event_id)
            case _:
                continue


async def _note(
    session: WriteSession, action: Created | Wanted | Moved, replica: Replica, *, at: float, ids: Ids
) -> None:
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
    await session.execute(
        insert(tables.events).values(
            event_id=ids.new("evt"),
            at=at,
            deployment_id=replica.deployment_id,
            kind=kind,
            replica_id=replica.replica_id,
            before=before,
            after=after,
            reason=reason,
            detail=detail,
            actor=_ACTOR,
        )
    )


async def _note_scaled(session: WriteSession, action: Scaled, *, at: float, ids: Ids) -> None:
    await session.execute(
        insert(tables.events).values(
            event_id=ids.new("evt"),
            at=at,
            deployment_id=action.deployment_id,
            kind="deployment.scaled",
            replica_id="",
            before=str(action.before),
            after=str(action.after),
            reason=action.reason.value,
            detail=action.detail,
            actor=_ACTOR,
        )
    )


def _transition(
    action: Moved, replica: Replica, deployment: Deployment | None, *, at: float, event_id: str
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
    )

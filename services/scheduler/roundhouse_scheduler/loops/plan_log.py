"""A plan in the log, action by action."""

from roundhouse_common.service import get_logger
from roundhouse_scheduler.domain.plan import Created, Moved, NodeMarked, Plan, Scaled, Wanted

__all__ = ["log_plan"]

_log = get_logger(__name__)


def log_plan(plan: Plan) -> None:
    """Log what was decided."""
    for action in plan.actions:
        _log_action(action)
    for switch in (*plan.new_switches, *plan.switches):
        _log.info(
            "switch",
            switch_id=switch.switch_id,
            deployment_id=switch.deployment_id,
            state=switch.state.value,
            detail=switch.detail,
        )


def _log_action(action: object) -> None:
    match action:
        case Created(replica_id=replica_id, deployment_id=deployment_id, replaces=replaces):
            _log.info("replica_created", replica_id=replica_id, deployment_id=deployment_id, replaces=replaces)
        case Scaled(deployment_id=deployment_id, before=before, after=after, reason=reason, detail=detail):
            _log.info(
                "deployment_scaled",
                deployment_id=deployment_id,
                before=before,
                after=after,
                reason=reason.value,
                detail=detail,
            )
        case Wanted(replica_id=replica_id, desired=desired, reason=reason):
            _log.info("replica_wanted", replica_id=replica_id, desired=desired.value, reason=reason.value)
        case NodeMarked(node_id=node_id, before=before, after=after):
            _log.warning("node_marked", node_id=node_id, before=before.value, after=after.value)
        case Moved():
            _log.info(
                "replica_phase",
                replica_id=action.replica_id,
                node_id=action.node_id,
                before=action.before.value,
                after=action.after.value,
                reason=action.reason.value,
                detail=action.detail,
            )
        case _:
            return

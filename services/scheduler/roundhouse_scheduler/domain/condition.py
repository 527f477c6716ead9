"""A node's condition: all that is known of it in one word, and in a sentence why and what can be done."""

import enum

from roundhouse_common.contracts.scheduler import NodeAdmission
from roundhouse_scheduler.domain.records import Node, NodeDuty, NodeState

__all__ = ["Condition", "condition_of"]


class Condition(enum.StrEnum):
    """The worst or most lasting thing that can be said of a node."""

    READY = "ready"
    CORDONED = "cordoned"
    DRAINING = "draining"
    MAINTENANCE = "maintenance"
    SHUTTING_DOWN = "shutting-down"
    LATE = "late"
    UNREACHABLE = "unreachable"
    PENDING_APPROVAL = "pending-approval"
    REMOVED = "removed"


_DUTIES = {
    NodeDuty.ACTIVE: (Condition.READY, "takes replicas"),
    NodeDuty.CORDONED: (Condition.CORDONED, "what runs goes on, nothing new comes; uncordon it to use it again"),
    NodeDuty.DRAINING: (Condition.DRAINING, "its replicas move away, each when its replacement is ready"),
    NodeDuty.MAINTENANCE: (
        Condition.MAINTENANCE,
        "its replicas move away, and its silence alarms nobody; uncordon it when it is back",
    ),
}


def condition_of(node: Node, *, left: int) -> tuple[Condition, str]:
    """Return the condition of a node that holds `left` replicas, and why."""
    if node.admission is NodeAdmission.REMOVED:
        return Condition.REMOVED, "an administrator removed it; it can join again with a new token"
    if node.admission is NodeAdmission.PENDING:
        return Condition.PENDING_APPROVAL, "it joined and waits for an administrator to approve it"
    duty, words = _DUTIES[node.duty]
    if node.is_leaving:
        words = f"{words}; {left} left" if left else "nothing is left on it"
    if node.duty_reason:
        words = f"{words} ({node.duty_reason})"
    if node.state is NodeState.READY and node.is_shutting_down:
        return Condition.SHUTTING_DOWN, "its agent was told to stop with its engines"
    if node.state is NodeState.READY or node.duty is NodeDuty.MAINTENANCE:
        return duty, words
    if node.is_given_up:
        return Condition.UNREACHABLE, "an operator said that it is dead; its replicas are replaced elsewhere"
    if node.state is NodeState.LATE:
        return Condition.LATE, "its lease ran out; its endpoints stay while requests to them succeed"
    return Condition.UNREACHABLE, "it stayed silent past the grace; its replicas were replaced elsewhere"

"""Who is silent, what may be concluded from it, and when nothing may.

A node whose lease ran out is LATE: its replicas become UNKNOWN and keep their endpoints. Past the deployment's
disconnect grace a replica is LOST, but only on a second look, only while we have been listening without doubt for as
long, and only with the fleet brake off: many nodes silent together means that we are blind.
"""

import math
from collections.abc import Mapping, Set

import msgspec

from roundhouse_common.contracts.scheduler import NodeAdmission, Phase, Reason
from roundhouse_scheduler.domain.plan import BrakeHeld, Draft
from roundhouse_scheduler.domain.records import Node, NodeDuty, NodeState
from roundhouse_scheduler.domain.rules import Rules, grace_s
from roundhouse_scheduler.domain.transitions import ReplicaEvent, next_phase
from roundhouse_scheduler.domain.view import Silence

__all__ = ["brake_holds", "judge_leases", "may_be_away"]

_UNHEARD = Silence(contact_s=None, silent_s=0.0)


def brake_holds(nodes: Mapping[str, Node], late: frozenset[str], *, now: float, rules: Rules) -> bool:
    """Return whether so many nodes are silent that nothing may be concluded from silence.

    When none at all is heard there is no sign that we can hear, however few they are.
    """
    given_up = {key for key, node in nodes.items() if node.state is NodeState.UNREACHABLE and key not in late}
    recently = {key for key in given_up if now - nodes[key].state_since < rules.brake_window_s}
    counted = len(nodes) - len(given_up - recently)
    allowed = max(rules.brake_floor, math.floor(rules.brake_share * counted))
    nobody_is_heard = len(late) + len(given_up) == len(nodes)
    return len(late) > 0 and (nobody_is_heard or len(late | recently) > allowed)


def judge_leases(draft: Draft) -> None:
    """Mark nodes ready, late or unreachable, and their replicas UNKNOWN or LOST.

    Who is silent is known without asking every node: those that are quiet, and those that were silent before.
    """
    unready = draft.unready_nodes()
    if not draft.view.is_listening:
        draft.late = frozenset(node.node_id for node in unready)
        return
    newly = {key for key in _quiet(draft) if key in draft.nodes and draft.nodes[key].state is NodeState.READY}
    late = frozenset(newly | {node.node_id for node in unready if _is_late(draft, node)})
    draft.late = late | {node.node_id for node in unready if _stays_away(draft, node)}
    draft.is_brake_held = _judge_brake(draft, late)
    looked_at = {node.node_id for node in draft.focus_nodes()} | newly
    for node_id in sorted(looked_at & late):
        _silent(draft, node_id)
    for node_id in sorted((looked_at | {node.node_id for node in unready}) - draft.late):
        _heard(draft, node_id)


def _quiet(draft: Draft) -> Set[str]:
    if draft.view.quiet is not None:
        return draft.view.quiet
    return {key for key, node in draft.nodes.items() if _silence(draft, node).silent_s > draft.rules.lease_s}


def _judge_brake(draft: Draft, late: frozenset[str]) -> bool:
    if not late:
        return False
    in_doubt = {key: node for key, node in draft.nodes.items() if not node.is_given_up and not may_be_away(node)}
    is_held = brake_holds(in_doubt, late & in_doubt.keys(), now=draft.now, rules=draft.rules)
    if is_held:
        draft.actions.append(BrakeHeld(silent=tuple(sorted(late)), nodes=len(draft.nodes)))
    return is_held


def may_be_away(node: Node) -> bool:
    """Return whether its silence is no sign of anything, because people took it away."""
    return node.duty is NodeDuty.MAINTENANCE or node.admission is NodeAdmission.REMOVED


def _silence(draft: Draft, node: Node) -> Silence:
    return draft.view.silence.get(node.node_id, _UNHEARD)


def _is_late(draft: Draft, node: Node) -> bool:
    if node.state is NodeState.UNREACHABLE:
        return False
    silence = _silence(draft, node)
    has_returned = silence.contact_s is not None and silence.contact_s <= draft.rules.lease_s
    return silence.silent_s > draft.rules.lease_s or (node.state is NodeState.LATE and not has_returned)


def _stays_away(draft: Draft, node: Node) -> bool:
    contact_s = _silence(draft, node).contact_s
    return node.state is NodeState.UNREACHABLE and (contact_s is None or contact_s > draft.rules.lease_s)


def _heard(draft: Draft, node_id: str) -> None:
    if draft.nodes[node_id].state is not NodeState.READY:
        draft.mark(node_id, NodeState.READY)
    if draft.nodes[node_id].is_given_up:
        draft.nodes[node_id] = msgspec.structs.replace(draft.nodes[node_id], is_given_up=False)
    for replica in draft.on(node_id):
        if replica.overdue_since is not None:
            draft.edit(replica.replica_id, overdue_since=None)


def _silent(draft: Draft, node_id: str) -> None:
    node = draft.nodes[node_id]
    if node.state is NodeState.READY:
        draft.mark(node_id, NodeState.LATE)
    for replica in draft.on(node_id):
        if next_phase(replica.phase, ReplicaEvent.NODE_LATE) is not None:
            draft.move(replica.replica_id, ReplicaEvent.NODE_LATE, reason=Reason.NODE_LATE)
    past_lease_s = min(_silence(draft, node).silent_s, draft.view.trusted_s) - draft.rules.lease_s
    for replica in draft.on(node_id):
        if replica.phase is Phase.UNKNOWN:
            _look(draft, replica.replica_id, past_lease_s)
    is_bare = not any(replica.phase is Phase.UNKNOWN for replica in draft.on(node_id))
    is_due = past_lease_s > draft.rules.node_grace_s and not draft.is_brake_held
    if is_bare and (is_due or node.is_given_up):
        draft.mark(node_id, NodeState.UNREACHABLE)
    elif past_lease_s <= draft.rules.node_grace_s:
        draft.look_again(draft.now + draft.rules.node_grace_s - past_lease_s + 0.001, node_id=node_id)


def _look(draft: Draft, replica_id: str, past_lease_s: float) -> None:
    """One look at an UNKNOWN replica: note that it is overdue, or give it up when the note is old enough."""
    replica = draft.replicas[replica_id]
    if draft.nodes[replica.node_id].is_given_up:
        detail = f"an operator gave up node {replica.node_id}"
        draft.move(replica_id, ReplicaEvent.NODE_LOST, reason=Reason.NODE_LOST, detail=detail, is_serving=False)
        return
    patience_s = grace_s(replica, draft.deployments[replica.deployment_id])
    if draft.is_brake_held or past_lease_s <= patience_s:
        if replica.overdue_since is not None:
            draft.edit(replica_id, overdue_since=None)
        if past_lease_s <= patience_s:
            draft.look_again(draft.now + patience_s - past_lease_s + 0.001, node_id=replica.node_id)
        return
    if replica.overdue_since is None:
        draft.edit(replica_id, overdue_since=draft.now)
        draft.look_again(draft.now + draft.rules.second_look_s, node_id=replica.node_id)
    elif draft.now - replica.overdue_since >= draft.rules.second_look_s:
        detail = f"node {replica.node_id} has been silent for {past_lease_s + draft.rules.lease_s:.0f} s"
        draft.move(replica_id, ReplicaEvent.NODE_LOST, reason=Reason.NODE_LOST, detail=detail, is_serving=False)
    else:
        draft.look_again(replica.overdue_since + draft.rules.second_look_s, node_id=replica.node_id)

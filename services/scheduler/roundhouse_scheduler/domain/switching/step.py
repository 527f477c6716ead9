"""The step of the decision that carries switches on. Every open switch is looked at each time: there are few."""

import msgspec

from roundhouse_common.contracts.catalog import DeploymentDesired
from roundhouse_common.contracts.scheduler import Phase, Reason
from roundhouse_scheduler.domain.autoscale.sleep import is_asleep, put_to_sleep, wake
from roundhouse_scheduler.domain.plan import Draft
from roundhouse_scheduler.domain.provisioning.preparing import last_advance
from roundhouse_scheduler.domain.records import Deployment, RejectionReason, Replica
from roundhouse_scheduler.domain.switching.cancelling import cancel
from roundhouse_scheduler.domain.switching.progress import end, settle_victims, to
from roundhouse_scheduler.domain.switching.room import Rooms
from roundhouse_scheduler.domain.switching.switch import ELSEWHERE, Switch, SwitchState, Victim
from roundhouse_scheduler.domain.switching.victims import Evictable, choose_victims, evictable, leaving_replicas
from roundhouse_scheduler.domain.version_state import in_words, is_serving

__all__ = ["switch_deployments"]

_ROOM = frozenset({RejectionReason.MEMORY, RejectionReason.DEVICES, RejectionReason.CPU})
_BY_REQUEST = "service:scheduler"
_FREED_S = 5.0
"""So soon after a victim's end nobody else is evicted: its node may not have said yet that the memory is back."""
_PREPARING_NOTED_EVERY_S = 30.0
_UNWANTED_S = 5.0
"""So long without anybody who waits, and a switch that a request began is given up."""


def switch_deployments(draft: Draft) -> None:
    """Begin switches for woken deployments without room, and carry on those under way, the oldest first."""
    for deployment in draft.focus_deployments():
        if _needs_room(draft, deployment):
            _begin(draft, deployment)
    rooms = Rooms(draft)
    for switch_id in sorted(draft.switches):
        switch = draft.switches[switch_id]
        if switch.is_open:
            _carry_on(draft, switch, rooms)


def _needs_room(draft: Draft, deployment: Deployment) -> bool:
    """Whether somebody waits for it, nothing of it serves, and room is what its replica lacks."""
    key = deployment.deployment_id
    if deployment.desired is not DeploymentDesired.RUN or not draft.demand_of(key).held:
        return False
    if any(item.is_open and item.deployment_id == key for item in draft.switches.values()):
        return False
    rows = [row for row in draft.of(key) if row.is_wanted]
    return not any(is_serving(row) or row.node_id for row in rows) and any(_lacks_room(row) for row in rows)


def _lacks_room(replica: Replica) -> bool:
    is_nowhere = replica.phase is Phase.PENDING and replica.reason is Reason.NO_FEASIBLE_NODE
    return is_nowhere and any(item.reason in _ROOM for item in replica.rejections)


def _begin(draft: Draft, deployment: Deployment) -> None:
    switch = Switch(
        switch_id=draft.mint.switch_id(),
        tenant_id=deployment.tenant_id,
        deployment_id=deployment.deployment_id,
        actor=_BY_REQUEST,
        detail="a request waits, and there is no room",
        began_at=draft.now,
        deadline_at=draft.now + deployment.wake_timeout_s,
        was_asleep=deployment.is_wakeable,
    )
    to(draft, switch, SwitchState.WAITING, switch.detail)


def _carry_on(draft: Draft, switch: Switch, rooms: Rooms) -> None:
    switch = settle_victims(draft, switch)
    deployment = draft.deployments.get(switch.deployment_id)
    if deployment is None or deployment.desired is not DeploymentDesired.RUN:
        end(draft, switch, SwitchState.FAILED, "the deployment was stopped")
    elif switch.is_cancelling:
        cancel(draft, switch, deployment, "cancelled")
    elif is_asleep(deployment) and switch.steps:
        end(draft, switch, SwitchState.FAILED, f"it was put to sleep again ({deployment.target_reason.value})")
    else:
        if is_asleep(deployment):
            wake(draft, deployment, detail=f"asked for by {switch.actor}")
        _look(draft, switch, draft.deployments[switch.deployment_id], rooms)


def _look(draft: Draft, switch: Switch, deployment: Deployment, rooms: Rooms) -> None:
    rows = [row for row in draft.of(deployment.deployment_id) if row.is_wanted]
    serving = [row for row in rows if is_serving(row)]
    placed = [row for row in rows if row.node_id and not row.is_spent]
    pending = [row for row in rows if row.phase is Phase.PENDING]
    if serving:
        took_s = draft.now - switch.began_at
        end(draft, switch, SwitchState.READY, f"ready on {_hostname(draft, serving[0])} after {took_s:.1f} s")
    elif placed:
        _watch_start(draft, _patient(draft, switch, deployment, placed), placed)
    elif pending and pending[0].reason is Reason.NO_FEASIBLE_NODE:
        _make_room(draft, switch, deployment, pending[0], rooms)
    elif rows and not pending:
        end(draft, switch, SwitchState.FAILED, in_words(rows[0]))
    elif draft.now >= switch.deadline_at:
        end(draft, switch, SwitchState.FAILED, "no replica of it was made in time")
    else:
        to(draft, switch, switch.state, switch.detail)
        draft.look_again(switch.deadline_at, deployment_id=deployment.deployment_id)


def _patient(draft: Draft, switch: Switch, deployment: Deployment, placed: list[Replica]) -> Switch:
    """Return the switch with the time to find room counted from when its files or its engine last came further: if the
    room is lost after an hour of fetching, another one may still be looked for."""
    advanced_at = last_advance(placed, draft.view.versions, draft.view.advances)
    deadline_at = advanced_at + deployment.wake_timeout_s
    if deadline_at - switch.deadline_at < _PREPARING_NOTED_EVERY_S:
        return switch
    return msgspec.structs.replace(switch, deadline_at=deadline_at)


def _watch_start(draft: Draft, switch: Switch, placed: list[Replica]) -> None:
    failing = [row for row in placed if row.failures >= draft.rules.error_after_failures]
    if len(failing) == len(placed):
        end(draft, switch, SwitchState.FAILED, in_words(failing[0]))
    else:
        to(draft, switch, SwitchState.STARTING, f"starting on {_hostname(draft, placed[0])}")


def _make_room(draft: Draft, switch: Switch, deployment: Deployment, replica: Replica, rooms: Rooms) -> None:
    if draft.now >= switch.deadline_at:
        if deployment.is_wakeable:
            put_to_sleep(draft, deployment, reason=Reason.NO_FEASIBLE_NODE, detail="no room was found in time")
        end(draft, switch, SwitchState.FAILED, f"no room was found in time: {replica.detail}")
        return
    if _is_unwanted(draft, switch):
        cancel(draft, switch, deployment, "nobody waits for it any more")
        return
    draft.look_again(switch.deadline_at, deployment_id=deployment.deployment_id)
    leaving = leaving_replicas(draft)
    if _has_room_coming(draft, switch, replica, rooms, leaving):
        return
    spared = frozenset(item.deployment_id for item in draft.switches.values() if item.is_open)
    candidates = evictable(draft, spared)
    idle = [item for item in candidates if item.is_idle(draft)]
    found = choose_victims(rooms, replica, leaving, idle)
    if found is None:
        _wait(draft, switch, replica, rooms, leaving, candidates)
        return
    rooms.take(replica, found.choice)
    for item in found.victims:
        newcomer = _name(deployment, item.deployment)
        detail = f"idle for {draft.now - (item.idle_since or draft.now):.0f} s; makes room for {newcomer}"
        put_to_sleep(draft, item.deployment, reason=Reason.EVICTED, detail=detail)
    victims = tuple(
        Victim(
            deployment_id=item.deployment.deployment_id,
            name=_name(item.deployment, deployment),
            target_replicas=item.deployment.target_replicas,
            target_reason=item.deployment.target_reason,
        )
        for item in found.victims
    )
    switch = msgspec.structs.replace(switch, victims=(*switch.victims, *victims))
    to(draft, switch, SwitchState.EVICTING, f"{' and '.join(victim.name for victim in victims)} makes room")


def _has_room_coming(draft: Draft, switch: Switch, replica: Replica, rooms: Rooms, leaving: frozenset[str]) -> bool:
    """Whether nobody needs to go: there is room now, or there will be when those that are ending have ended."""
    choice = rooms.now(replica)
    if choice is not None:
        to(draft, switch, switch.state, switch.detail)
    elif (choice := rooms.find(replica, leaving)) is not None:
        detail = f"waiting until {_names(draft, switch, leaving, choice.node_id)} ended"
        to(draft, switch, SwitchState.EVICTING if switch.victims else SwitchState.WAITING, detail)
    if choice is not None:
        rooms.take(replica, choice)
        return True
    shows_at = switch.steps[-1].at + _FREED_S if switch.victims else draft.now
    if shows_at > draft.now:
        to(draft, switch, switch.state, switch.detail)
        draft.look_again(shows_at, deployment_id=switch.deployment_id)
    return shows_at > draft.now


def _wait(
    draft: Draft,
    switch: Switch,
    replica: Replica,
    rooms: Rooms,
    leaving: frozenset[str],
    candidates: list[Evictable],
) -> None:
    """Say what it waits for: for deployments that are in use now, or for nothing that could help."""
    found = choose_victims(rooms, replica, leaving, candidates)
    if found is None:
        to(draft, switch, switch.state, f"no deployment that may be evicted would make room: {replica.detail}")
        return
    mine = draft.deployments[switch.deployment_id]
    names = ", ".join(_name(item.deployment, mine) for item in found.victims)
    to(draft, switch, switch.state, f"waiting until {names} has been idle for {draft.rules.evict_idle_s:g} s")
    since = [item.idle_since for item in candidates if item.idle_since is not None]
    if since:
        known_at = draft.now - draft.view.demand_known_s
        at = min(max(item, known_at) for item in since) + draft.rules.evict_idle_s
        draft.look_again(max(at, draft.now + 0.1), deployment_id=switch.deployment_id)


def _is_unwanted(draft: Draft, switch: Switch) -> bool:
    """Whether a request began it, and whoever sent that has left before anything was evicted."""
    is_by_request = switch.actor == _BY_REQUEST and not switch.victims
    waited_s = draft.now - switch.began_at
    return is_by_request and waited_s >= _UNWANTED_S and not draft.demand_of(switch.deployment_id).held


def _hostname(draft: Draft, replica: Replica) -> str:
    node = draft.nodes.get(replica.node_id)
    return node.inventory.hostname if node is not None else replica.node_id


def _name(deployment: Deployment, told: Deployment) -> str:
    """Return what those are told of a deployment who see another one."""
    return deployment.name if deployment.tenant_id == told.tenant_id else ELSEWHERE


def _names(draft: Draft, switch: Switch, leaving: frozenset[str], node_id: str) -> str:
    mine = draft.deployments[switch.deployment_id]
    there = {draft.replicas[key].deployment_id for key in leaving if draft.replicas[key].node_id == node_id}
    names = sorted({_name(draft.deployments[key], mine) for key in there if key in draft.deployments})
    return f"{' and '.join(names)} on {draft.nodes[node_id].inventory.hostname} has"

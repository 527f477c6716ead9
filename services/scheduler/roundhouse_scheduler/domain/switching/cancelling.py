"""Calling a switch off: what has not happened yet does not happen, and what is still there stays."""

import msgspec

from roundhouse_common.contracts.scheduler import Reason
from roundhouse_scheduler.domain.autoscale.sleep import is_asleep, put_to_sleep, revive
from roundhouse_scheduler.domain.plan import Draft
from roundhouse_scheduler.domain.records import Deployment
from roundhouse_scheduler.domain.switching.progress import end
from roundhouse_scheduler.domain.switching.switch import Switch, SwitchState, Victim, VictimState

__all__ = ["cancel"]


def cancel(draft: Draft, switch: Switch, deployment: Deployment, why: str) -> None:
    """End the switch: the newcomer sleeps again if it did before, victims that have not gone yet stay awake."""
    victims = tuple(_restored(draft, victim) for victim in switch.victims)
    if switch.was_asleep and not is_asleep(deployment):
        put_to_sleep(draft, deployment, reason=Reason.SWITCH_CANCELLED, detail=f"the switch to it ended: {why}")
    end(draft, msgspec.structs.replace(switch, victims=victims), SwitchState.CANCELLED, why)


def _restored(draft: Draft, victim: Victim) -> Victim:
    deployment = draft.deployments.get(victim.deployment_id)
    is_ours = deployment is not None and is_asleep(deployment) and deployment.target_reason is Reason.EVICTED
    if victim.state is not VictimState.DRAINING or deployment is None or not is_ours:
        return victim
    draft.scale(
        victim.deployment_id,
        victim.target_replicas,
        reason=Reason.SWITCH_CANCELLED,
        detail="the switch that it made room for was cancelled",
    )
    draft.edit_deployment(victim.deployment_id, target_reason=victim.target_reason)
    revive(draft, draft.deployments[victim.deployment_id], reason=Reason.SWITCH_CANCELLED)
    return msgspec.structs.replace(victim, state=VictimState.RESTORED)

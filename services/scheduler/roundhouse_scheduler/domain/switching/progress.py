"""Moving a switch from state to state. Every change of state or words is a step with its time."""

import msgspec

from roundhouse_scheduler.domain.autoscale.sleep import is_asleep
from roundhouse_scheduler.domain.plan import Draft
from roundhouse_scheduler.domain.switching.switch import Switch, SwitchState, SwitchStep, Victim, VictimState

__all__ = ["end", "settle_victims", "to"]

_MOST_STEPS = 50


def to(draft: Draft, switch: Switch, state: SwitchState, detail: str) -> Switch:
    """Put the switch into the draft as it is now, and return it; the same again changes nothing."""
    if not switch.steps or (switch.state, switch.detail) != (state, detail):
        step = SwitchStep(at=draft.now, state=state, detail=detail)
        switch = msgspec.structs.replace(switch, state=state, detail=detail, steps=(*switch.steps, step)[-_MOST_STEPS:])
    draft.switches[switch.switch_id] = switch
    return switch


def end(draft: Draft, switch: Switch, state: SwitchState, detail: str) -> None:
    """Nothing more comes of it."""
    to(draft, msgspec.structs.replace(switch, ended_at=draft.now), state, detail)


def settle_victims(draft: Draft, switch: Switch) -> Switch:
    """Return the switch with its victims as far as they are. The end of one is a step."""
    victims = tuple(_settled(draft, victim) for victim in switch.victims)
    gone = [
        after.name for before, after in zip(switch.victims, victims, strict=True) if after.state is not before.state
    ]
    if not gone:
        return switch
    switch = msgspec.structs.replace(switch, victims=victims)
    return to(draft, switch, switch.state, f"{' and '.join(gone)} made room")


def _settled(draft: Draft, victim: Victim) -> Victim:
    if victim.state is not VictimState.DRAINING:
        return victim
    deployment = draft.deployments.get(victim.deployment_id)
    holds = any(row.is_held for row in draft.members(victim.deployment_id))
    if deployment is None or not is_asleep(deployment) or not holds:
        return msgspec.structs.replace(victim, state=VictimState.GONE)
    return victim

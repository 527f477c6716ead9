"""The step of the decision that follows the load: up and down, to sleep, and awake again."""

from roundhouse_common.contracts.catalog import Autoscale, DeploymentDesired
from roundhouse_common.contracts.scheduler import Reason
from roundhouse_scheduler.domain.autoscale.advice import Fleet, advise, is_strained
from roundhouse_scheduler.domain.autoscale.bounds import Bounds, bounds_of
from roundhouse_scheduler.domain.autoscale.sleep import idle_since, is_asleep, put_to_sleep, wake, wants_awake
from roundhouse_scheduler.domain.autoscale.steady import steady
from roundhouse_scheduler.domain.plan import Advised, Draft
from roundhouse_scheduler.domain.records import Deployment
from roundhouse_scheduler.domain.version_state import is_serving

__all__ = ["autoscale_deployments"]

_USE_WRITTEN_EVERY_S = 30.0
_MINUTE_S = 60.0
_UNHEARD_S = 10.0
"""While no router has told its demand, nothing else says when it can be judged."""
_LATER_S = 0.001
"""Sums of floating-point numbers miss a moment by a little: look again when it is surely over."""


def autoscale_deployments(draft: Draft) -> None:
    """Set how many replicas the deployments in focus should have by the load on them."""
    for deployment in draft.focus_deployments():
        if deployment.desired is DeploymentDesired.RUN:
            _note_use(draft, deployment)
            _follow(draft, draft.deployments[deployment.deployment_id])


def _note_use(draft: Draft, deployment: Deployment) -> None:
    """Write down now and then when it was last used: which of two deployments was idle longer must survive us."""
    if is_asleep(deployment):
        return
    demand = draft.demand_of(deployment.deployment_id)
    used_at = draft.now if demand.is_there else demand.last_used_at
    if used_at - deployment.last_used_at >= _USE_WRITTEN_EVERY_S:
        draft.edit_deployment(deployment.deployment_id, last_used_at=used_at)


def _follow(draft: Draft, deployment: Deployment) -> None:
    autoscale = deployment.autoscale
    if is_asleep(deployment):
        _perhaps_wake(draft, deployment)
    elif autoscale is None:
        if deployment.target_replicas is not None:
            detail = "it is not scaled automatically any more"
            draft.scale(deployment.deployment_id, None, reason=Reason.UNKNOWN, detail=detail)
    elif not deployment.is_paused:
        if not _is_demand_known(draft):
            draft.look_again(draft.now + _UNHEARD_S, deployment_id=deployment.deployment_id)
        bounds = bounds_of(autoscale, draft.now)
        if not (bounds.least == 0 and _perhaps_sleep(draft, deployment, autoscale)):
            _scale(draft, deployment, autoscale, bounds)
    if autoscale is not None and autoscale.windows:
        draft.look_again((draft.now // _MINUTE_S + 1) * _MINUTE_S, deployment_id=deployment.deployment_id)


def _perhaps_wake(draft: Draft, deployment: Deployment) -> None:
    held = wants_awake(draft, deployment)
    if held:
        wake(draft, deployment, detail="a request waits" if held == 1 else f"{held} requests wait")
    elif not deployment.is_wakeable:
        wake(draft, deployment, detail="it may not sleep any more")
    elif deployment.autoscale is not None and deployment.target_reason is Reason.IDLE:
        bounds = bounds_of(deployment.autoscale, draft.now)
        if bounds.least > 0 and not deployment.is_paused:
            wake(draft, deployment, detail=f"window {bounds.window}: at least {bounds.least}")


def _perhaps_sleep(draft: Draft, deployment: Deployment, autoscale: Autoscale) -> bool:
    """Put it to sleep when nobody has asked for it for so long, by what routers say; return whether it was."""
    if not _is_demand_known(draft):
        return False
    since = idle_since(draft, deployment)
    if since is None:
        return False
    idle_s = min(draft.now - since, draft.view.demand_known_s)
    if idle_s < autoscale.idle_s:
        draft.look_again(draft.now + autoscale.idle_s - idle_s + _LATER_S, deployment_id=deployment.deployment_id)
        return False
    detail = f"no request for {draft.now - since:.0f} s"
    put_to_sleep(draft, deployment, reason=Reason.IDLE, detail=detail)
    return True


def _scale(draft: Draft, deployment: Deployment, autoscale: Autoscale, bounds: Bounds) -> None:
    """Go to the number that the load has asked for long enough, within the bounds; bounds count at once."""
    key, wanted = deployment.deployment_id, deployment.wanted_replicas
    demand = draft.demand_of(key)
    fleet = Fleet(wanted=wanted, ready=sum(1 for row in draft.of(key) if row.is_wanted and is_serving(row)))
    advice = advise(autoscale, demand, fleet) if _is_demand_known(draft) else None
    target, why = bounds.clamp(wanted), ""
    if advice is not None:
        asked = bounds.clamp(advice.replicas)
        strained = demand.load / fleet.ready if is_strained(autoscale, demand, fleet) and fleet.ready else None
        draft.advice[key] = Advised(replicas=asked, strained_load=strained)
        found = steady(
            asked,
            demand.history,
            autoscale,
            current=target,
            now=draft.now,
            known_s=draft.view.demand_known_s,
        )
        if found.replicas != target:
            target, why = found.replicas, advice.why
        if found.look_at is not None:
            draft.look_again(max(found.look_at, draft.now) + _LATER_S, deployment_id=key)
    if target != wanted:
        limits = f"between {bounds.least} and {bounds.most}" + (f" by window {bounds.window}" if bounds.window else "")
        draft.scale(key, target, reason=Reason.AUTOSCALED, detail=why or limits)


def _is_demand_known(draft: Draft) -> bool:
    return draft.view.is_listening and draft.view.demand_known_s > 0

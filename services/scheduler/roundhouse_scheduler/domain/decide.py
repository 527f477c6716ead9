"""The one decision of the scheduler: what to do about what is seen."""

from roundhouse_scheduler.domain.adoption import adopt_strangers
from roundhouse_scheduler.domain.autoscale.step import autoscale_deployments
from roundhouse_scheduler.domain.gangs import form_gangs, place_gangs, tend_gangs
from roundhouse_scheduler.domain.leases import judge_leases
from roundhouse_scheduler.domain.observe import fold_reports
from roundhouse_scheduler.domain.placement.pending import place_pending
from roundhouse_scheduler.domain.plan import Draft, Plan
from roundhouse_scheduler.domain.removal import end_removed
from roundhouse_scheduler.domain.restarts import forget_failures, restart_failed
from roundhouse_scheduler.domain.revisions import bump_revisions
from roundhouse_scheduler.domain.rollout import scale_deployments
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.domain.survivors import settle_survivors
from roundhouse_scheduler.domain.switching.step import switch_deployments
from roundhouse_scheduler.domain.view import Mint, View

__all__ = ["STEPS", "decide"]

STEPS = (
    judge_leases,
    end_removed,
    fold_reports,
    adopt_strangers,
    settle_survivors,
    tend_gangs,
    forget_failures,
    restart_failed,
    autoscale_deployments,
    switch_deployments,
    scale_deployments,
    form_gangs,
    place_gangs,
    place_pending,
    bump_revisions,
)
"""In this order: who is heard, what they say, what nobody knew of, who of two stays, what starts again, how many there
should be, where."""


def decide(view: View, *, now: float, rules: Rules, mint: Mint) -> Plan:
    """Return what to change. Pure: the same arguments give the same plan; an agreeing world gives an empty one."""
    draft = Draft(view=view, now=now, rules=rules, mint=mint)
    for step in STEPS:
        step(draft)
    return draft.finish()

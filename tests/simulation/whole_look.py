"""An incremental decision may look at less, but must not find less: when it finds nothing, a look at everything must
find nothing either."""

import dataclasses
from collections.abc import Callable

import msgspec

from roundhouse_common.runtime import Clock
from roundhouse_scheduler.domain.decide import decide
from roundhouse_scheduler.domain.plan import Plan
from roundhouse_scheduler.domain.records import Deployment
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.domain.view import View
from tests.support.scheduler import CountingMint

__all__ = ["WholeLook"]


_A_MOMENT_S = 0.005


class WholeLook:
    """For `SchedulerCore.observers`. `due_at` says when the next record is to be looked at: what falls due in a moment
    is looked at in a moment (timers are set a millisecond late, so that the time has surely come)."""

    def __init__(self, clock: Clock, rules: Rules, *, due_at: Callable[[], float]) -> None:
        self._clock = clock
        self._rules = rules
        self._due_at = due_at
        self.compared = 0
        self.missed: list[str] = []

    def __call__(self, view: View, plan: Plan) -> None:
        if view.focus is None or not plan.is_empty or self._due_at() - self._clock.now() <= _A_MOMENT_S:
            return
        self.compared += 1
        everything = dataclasses.replace(view, focus=None)
        whole = decide(everything, now=self._clock.now(), rules=self._rules, mint=CountingMint())
        if not _is_only_use(view, whole):
            self.missed.append(f"at {self._clock.monotonic():.3f} s, with {view.focus}: {_shown(view, whole)}")


def _shown(view: View, plan: Plan) -> str:
    rows = (*plan.nodes, *plan.deployments, *plan.replicas, *plan.new_replicas, *plan.switches, *plan.new_switches)
    return f"{plan.actions or rows} {_differences(view, plan)}"


def _differences(view: View, plan: Plan) -> list[str]:
    found: list[str] = []
    for row in plan.replicas:
        before = view.replicas[row.replica_id]
        changed = [name for name in row.__struct_fields__ if getattr(row, name) != getattr(before, name)]
        found.append(f"{row.replica_id}: {[(name, getattr(before, name), getattr(row, name)) for name in changed]}")
    return found


def _is_only_use(view: View, plan: Plan) -> bool:
    """Whether nothing is decided but about use: when deployments were last used, and what follows demand, which is
    looked at again with the next message of a router or engine, and with every sweep at the latest."""
    following = {key for key, row in view.deployments.items() if row.follows_demand}
    if any(row.deployment_id not in following for row in (*plan.replicas, *plan.new_replicas)):
        return False
    if plan.switches or plan.new_switches:
        return False
    return all(row.deployment_id in following or _is_same_but_for_use(view, row) for row in plan.deployments)


def _is_same_but_for_use(view: View, row: Deployment) -> bool:
    before = view.deployments[row.deployment_id]
    return msgspec.structs.replace(row, last_used_at=before.last_used_at) == before

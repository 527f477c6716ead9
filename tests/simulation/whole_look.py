"""An incremental decision may look at less, but must not find less: when it finds nothing, a look at everything must
find nothing either."""

import dataclasses

from roundhouse_common.runtime import Clock
from roundhouse_scheduler.domain.decide import decide
from roundhouse_scheduler.domain.plan import Plan
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.domain.view import View
from tests.support.scheduler import CountingMint

__all__ = ["WholeLook"]


class WholeLook:
    """For `SchedulerCore.observers`."""

    def __init__(self, clock: Clock, rules: Rules) -> None:
        self._clock = clock
        self._rules = rules
        self.compared = 0
        self.missed: list[str] = []

    def __call__(self, view: View, plan: Plan) -> None:
        if view.focus is None or not plan.is_empty:
            return
        self.compared += 1
        everything = dataclasses.replace(view, focus=None)
        whole = decide(everything, now=self._clock.now(), rules=self._rules, mint=CountingMint())
        if not whole.is_empty:
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

"""What the scheduler counts."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from roundhouse_common.contracts.scheduler import Phase
from roundhouse_scheduler.domain.plan import Created, Moved, NodeMarked, Plan, Wanted
from roundhouse_scheduler.domain.records import NodeState

__all__ = ["SchedulerMetrics"]


class SchedulerMetrics:
    """The metrics of one scheduler."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.heard = Counter("roundhouse_scheduler_node_contacts", "Signs of life that counted", registry=registry)
        self._ignored = Counter(
            "roundhouse_scheduler_messages_ignored",
            "Heartbeats and reports of an epoch or an agent that is not the node's",
            ["what"],
            registry=registry,
        )
        self.pass_s = Histogram("roundhouse_scheduler_pass_seconds", "One look, decision and commit", registry=registry)
        self.decide_s = Histogram("roundhouse_scheduler_decide_seconds", "One decision", registry=registry)
        self.commit_s = Histogram("roundhouse_scheduler_commit_seconds", "Writing one plan", registry=registry)
        self.stale = Counter(
            "roundhouse_scheduler_stale_plans", "Plans given up because a row had changed", registry=registry
        )
        self._actions = Counter(
            "roundhouse_scheduler_actions", "What was decided", ["action", "reason"], registry=registry
        )
        self.brake = Gauge(
            "roundhouse_scheduler_brake_held",
            "1 while so many nodes are silent that nothing is given up",
            registry=registry,
        )
        self.leading = Gauge(
            "roundhouse_scheduler_leading", "1 while this scheduler plans, 0 while it stands by", registry=registry
        )
        self.term = Gauge("roundhouse_scheduler_term", "The last term in which it led", registry=registry)
        self._nodes = Gauge("roundhouse_scheduler_nodes", "Nodes by state", ["state"], registry=registry)
        self._replicas = Gauge("roundhouse_scheduler_replicas", "Replicas by phase", ["phase"], registry=registry)

    def ignored(self, what: str) -> None:
        """Count a message of an old epoch or another agent."""
        self._ignored.labels(what).inc()

    def decided(self, plan: Plan) -> None:
        """Count the actions of a committed plan."""
        for action in plan.actions:
            match action:
                case Created():
                    self._actions.labels("created", "").inc()
                case Moved() | Wanted():
                    self._actions.labels(type(action).__name__.lower(), action.reason.value).inc()
                case NodeMarked():
                    self._actions.labels("node", action.after.value).inc()
                case _:
                    continue

    def saw(self, states: Mapping[NodeState, int], phases: Mapping[Phase, int], *, is_brake_held: bool) -> None:
        """Show the state of the world after a pass."""
        self.brake.set(1 if is_brake_held else 0)
        for state in NodeState:
            self._nodes.labels(state.value).set(states.get(state, 0))
        for phase in Phase:
            self._replicas.labels(phase.value).set(phases.get(phase, 0))

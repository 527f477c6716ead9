"""A fleet in memory under load: routers tell what there is to do, engines answer as fast as they can."""

import asyncio
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from roundhouse_common.contracts.catalog import Autoscale
from roundhouse_common.contracts.demand import DeploymentDemand, DeploymentWanted, RouterDemand
from roundhouse_common.contracts.node import ObservedPhase, ReplicaLoad
from roundhouse_common.contracts.scheduler import Desired, Phase
from roundhouse_common.runtime import UnixTime
from roundhouse_scheduler.domain.plan import Plan, Scaled
from roundhouse_scheduler.domain.records import Replica
from roundhouse_scheduler.domain.switching import Switch
from roundhouse_scheduler.domain.view import View
from roundhouse_scheduler.loops.demand import DemandHearing
from tests.support.scheduler import Fleet, a_deployment, a_node, an_entry

__all__ = ["INTERVAL_S", "LoadedFleet", "an_autoscaled_fleet"]

INTERVAL_S = 2.0


@dataclass
class LoadedFleet(Fleet):
    """`work` lets time pass. Each engine runs `capacity` requests at once; more wait in its queue."""

    capacity: int = 4
    start_s: float = 0.0
    is_drained: bool = True
    """Whether engines that are to end do so."""
    is_telling: bool = True
    """Whether the router tells anything."""
    switches: dict[str, Switch] = field(default_factory=dict)
    loads: dict[str, dict[str, ReplicaLoad]] = field(default_factory=dict)
    sequence: int = 0
    incarnation: str = "one"
    started: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.listen_anew()

    def listen_anew(self) -> None:
        """A scheduler that has heard nothing yet takes over."""
        self.hearing = DemandHearing(clock=_FleetClock(self), on_news=lambda _: None, is_connected=lambda: True)

    def view(self) -> View:
        return dataclasses.replace(
            super().view(),
            demand=self.hearing,
            demand_known_s=self.hearing.known_s(),
            loads=self.loads,
            switches={key: item for key, item in self.switches.items() if item.is_open},
        )

    def step(self, seconds: float = 0.0) -> Plan:
        plan = super().step(seconds)
        self.hearing.remember(plan.advice, at=self.now)
        self.switches |= {item.switch_id: item for item in (*plan.switches, *plan.new_switches)}
        return plan

    def steps(self) -> None:
        """Decide until there is nothing more to decide, as the planner does."""
        for _ in range(20):
            if self.step().is_empty:
                return
        raise AssertionError("it decides for ever")

    def tell(
        self,
        in_flight: Mapping[str, int] | None = None,
        held: Mapping[str, int] | None = None,
        *,
        started: Mapping[str, int] | None = None,
        ttft_s: float | None = None,
    ) -> None:
        """The router tells what it has to do now; `started` are requests since it last did."""
        in_flight, held, started = in_flight or {}, held or {}, started or {}
        self.sequence += 1
        for key, count in started.items():
            self.started[key] = self.started.get(key, 0) + count
        keys = {key for counts in (in_flight, held, started) for key, count in counts.items() if count}
        message = RouterDemand(
            router_id="rtr_1",
            incarnation=self.incarnation,
            sequence=self.sequence,
            at=self.now,
            interval_s=INTERVAL_S,
            deployments=tuple(
                DeploymentDemand(
                    deployment_id=key,
                    in_flight=in_flight.get(key, 0),
                    held=held.get(key, 0),
                    started_total=self.started.get(key, 0),
                    ttft_count_total=self.sequence if ttft_s is not None else 0,
                    ttft_sum_s_total=self.sequence * ttft_s if ttft_s is not None else 0.0,
                )
                for key in sorted(keys)
            ),
        )
        asyncio.run(self.hearing.take_demand(message, ("rtr_1",)))

    def want(self, deployment_id: str, held: int = 1) -> None:
        """A router signals that requests wait."""
        message = DeploymentWanted(deployment_id=deployment_id, router_id="rtr_1", held=held)
        asyncio.run(self.hearing.take_wanted(message, (deployment_id,)))

    def work(self, load: Mapping[str, int], seconds: float) -> None:
        """Let time pass with so many requests for each deployment at any moment."""
        for _ in range(round(seconds / INTERVAL_S)):
            self.now += INTERVAL_S
            self.tick(load)

    def tick(self, load: Mapping[str, int]) -> None:
        """Nodes report, engines and the router tell, and everything that follows is decided."""
        self.hear_all()
        self._report()
        serving = {key: self.serving(key) for key in load}
        in_flight = {key: count for key, count in load.items() if serving[key]}
        held = {key: count for key, count in load.items() if not serving[key]}
        self.loads = {node_id: {} for node_id in self.nodes}
        for key, count in in_flight.items():
            for number, row in enumerate(serving[key]):
                share = count // len(serving[key]) + (number < count % len(serving[key]))
                running = min(share, self.capacity)
                sample = ReplicaLoad(replica_id=row.replica_id, running=running, waiting=share - running)
                self.loads[row.node_id][row.replica_id] = sample
        if self.is_telling:
            most = max((count / len(serving[key]) for key, count in in_flight.items()), default=0.0)
            ttft_s = 0.1 * max(1.0, most - self.capacity + 1) if in_flight else None
            self.tell(in_flight, held, started=load, ttft_s=ttft_s)
        self.steps()

    def serving(self, deployment_id: str) -> list[Replica]:
        return [row for row in self.live() if row.deployment_id == deployment_id and row.phase is Phase.READY]

    def scaled(self, deployment_id: str = "dep_1") -> list[tuple[int, int]]:
        """What was made of the wanted number, in order."""
        found = [item for item in self.actions if isinstance(item, Scaled) and item.deployment_id == deployment_id]
        return [(item.before, item.after) for item in found]

    def wanted(self, deployment_id: str = "dep_1") -> int:
        return self.deployments[deployment_id].wanted_replicas

    def one_switch(self) -> Switch:
        (switch,) = self.switches.values()
        return switch

    def _report(self) -> None:
        for node_id in self.nodes:
            held = [row for row in self.live() if row.node_id == node_id]
            self.report(node_id, *(an_entry(row, self._observed(row)) for row in held))

    def _observed(self, row: Replica) -> ObservedPhase:
        if row.desired is not Desired.RUN:
            return ObservedPhase.STOPPED if self.is_drained else ObservedPhase.DRAINING
        return ObservedPhase.READY if self.now - row.created_at >= self.start_s else ObservedPhase.STARTING


@dataclass
class _FleetClock:
    fleet: Fleet

    def now(self) -> UnixTime:
        return UnixTime(self.fleet.now)

    def monotonic(self) -> float:
        return self.fleet.now


def an_autoscaled_fleet(autoscale: Autoscale, *, replicas: int = 1, nodes: int = 4, **changes: object) -> LoadedFleet:
    """A fleet whose `dep_1` runs `replicas` and follows its load."""
    fleet = LoadedFleet(**changes)  # type: ignore[arg-type]  # fields of LoadedFleet
    fleet.with_nodes(*(a_node(f"nod_{i:02d}") for i in range(1, nodes + 1)))
    fleet.with_deployment(a_deployment(replicas=replicas, autoscale=autoscale))
    fleet.settle()
    return fleet

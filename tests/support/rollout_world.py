"""A toy world for rollouts: nodes that start, fail and stop engines by chance, and a catalog that changes its mind."""

import random
from dataclasses import dataclass, field

import msgspec

from roundhouse_common.contracts.catalog import DeploymentDesired, Rollout
from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_common.contracts.scheduler import Phase
from roundhouse_scheduler.domain.plan import Plan
from roundhouse_scheduler.domain.records import Deployment, NodeDuty, Replica
from roundhouse_scheduler.domain.rollout.start import started_rollout
from tests.support.scheduler import Fleet, a_deployment, a_node, a_version, an_entry

_STEP_S = 5.0


@dataclass
class RolloutWorld:
    """One deployment on a few roomy nodes. `turn` lets time pass: engines move, nodes report, the scheduler decides."""

    rng: random.Random
    rollout: Rollout
    nodes: int = 4
    replicas: int = 3
    fleet: Fleet = field(init=False)
    silent: str = ""
    broken: set[str] = field(default_factory=set)
    """Versions whose engines never start."""
    has_accidents: bool = True
    _engines: dict[tuple[str, int], ObservedPhase] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fleet = Fleet().with_nodes(*(a_node(f"nod_{i}") for i in range(self.nodes)))
        self.fleet.with_deployment(
            a_deployment(replicas=self.replicas, rollout=self.rollout, disconnect_grace_s=5.0, failure_budget=5)
        )

    @property
    def deployment(self) -> Deployment:
        return self.fleet.deployments["dep_1"]

    def live(self) -> list[Replica]:
        return self.fleet.live()

    def spec(self, **changes: object) -> None:
        """The catalog says something new."""
        before = self.deployment
        after = msgspec.structs.replace(before, generation=before.generation + 1, **changes)
        self.fleet.deployments["dep_1"] = started_rollout(before, after, self.fleet.now)

    def activate(self, number: int, *, is_broken: bool = False) -> None:
        """Another version is wanted."""
        version = a_version(number)
        self.fleet.versions[version.version_id] = version
        if is_broken:
            self.broken.add(version.version_id)
        self.spec(version_id=version.version_id, version_number=number)

    def roll_back(self) -> None:
        """What the catalog does about a version that failed."""
        if self.deployment.failed_version_id == self.deployment.version_id:
            self.activate(self.deployment.rollout_from_number)

    def drain(self, node_id: str, duty: NodeDuty = NodeDuty.DRAINING) -> None:
        """An administrator changes a node's duty."""
        self.fleet.nodes[node_id] = msgspec.structs.replace(self.fleet.nodes[node_id], duty=duty)

    def repair(self, *, but: str = "") -> None:
        """Every fault ends; one node may stay drained."""
        self.broken.clear()
        self.silent, self.has_accidents = "", False
        for node_id in self.fleet.nodes:
            self.drain(node_id, NodeDuty.DRAINING if node_id == but else NodeDuty.ACTIVE)
        deployment = self.deployment
        self.spec(desired=DeploymentDesired.RUN, is_paused=False, restarts=deployment.restarts + 1)

    def turn(self) -> Plan:
        """Let a few seconds pass."""
        self.fleet.now += _STEP_S
        for node_id in self.fleet.nodes:
            if node_id == self.silent:
                continue
            self.fleet.hear(node_id)
            held = [item for item in self.live() if item.node_id == node_id and item.is_held]
            self.fleet.report(node_id, *(an_entry(item, self._engine(item)) for item in held))
        return self.fleet.step()

    def _engine(self, replica: Replica) -> ObservedPhase:
        key = (replica.replica_id, replica.attempt)
        now = self._engines.get(key, ObservedPhase.STARTING)
        if not replica.is_wanted:
            ends = now in (ObservedPhase.FAILED, ObservedPhase.STOPPED) or self.rng.random() < 0.6
            after = ObservedPhase.STOPPED if ends else ObservedPhase.DRAINING
        elif now is ObservedPhase.STARTING:
            goes_wrong = replica.version_id in self.broken or (self.has_accidents and self.rng.random() < 0.15)
            moved = ObservedPhase.FAILED if goes_wrong else ObservedPhase.READY
            after = moved if self.rng.random() < 0.7 else now
        elif now is ObservedPhase.READY and self.has_accidents and self.rng.random() < 0.04:
            after = ObservedPhase.FAILED
        else:
            after = now
        self._engines[key] = after
        return after

    def is_settled(self) -> bool:
        """Whether exactly the wanted replicas of the wanted version are there, and nothing is under way."""
        rows = self.live()
        return (
            len(rows) == self.deployment.wanted_replicas
            and all(row.version_id == self.deployment.version_id and row.phase is Phase.READY for row in rows)
            and not any(self.fleet.nodes[row.node_id].is_leaving for row in rows)
            and self.deployment.rollout_began_at is None
        )

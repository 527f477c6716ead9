"""Builders for the scheduler's records: everything irrelevant has a default. `Fleet` decides and applies in memory."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from roundhouse_common.contracts.catalog import (
    DeploymentDesired,
    EngineKind,
    ModelKind,
    ModelSource,
    Placement,
    Resources,
    SourceKind,
    VersionSpec,
)
from roundhouse_common.contracts.identity import TenantRecord
from roundhouse_common.contracts.node import NodeInventory, NodeReport, ObservedPhase, ReplicaReport
from roundhouse_common.contracts.scheduler import Phase, Reason
from roundhouse_scheduler.domain.decide import decide
from roundhouse_scheduler.domain.plan import Action, Plan
from roundhouse_scheduler.domain.records import Deployment, Node, Replica
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.domain.view import Silence, View

GIB = 1024**3
_DOWN = (ObservedPhase.STOPPED, ObservedPhase.FAILED, ObservedPhase.REJECTED)


def an_inventory(**changes: Any) -> NodeInventory:
    base = NodeInventory(
        hostname="host",
        address="127.0.0.1",
        cpu_cores=8,
        memory_total_bytes=16 * GIB,
        memory_available_bytes=16 * GIB,
        os="linux",
        arch="x86_64",
        agent_version="0",
        engines=("llama.cpp",),
    )
    return msgspec.structs.replace(base, **changes)


def a_version(number: int = 1, *, memory_bytes: int = GIB, **changes: Any) -> VersionSpec:
    base = VersionSpec(
        version_id=f"ver_{number}",
        number=number,
        model_id="mdl_1",
        model_name="smol",
        model_kind=ModelKind.CHAT,
        source=ModelSource(kind=SourceKind.PATH, uri="/models/smol.gguf"),
        context_length=2048,
        engine=EngineKind.LLAMA_CPP,
        resources=Resources(memory_bytes=memory_bytes),
        placement=Placement(),
    )
    return msgspec.structs.replace(base, **changes)


def a_deployment(name: str = "dep_1", *, version: VersionSpec | None = None, **changes: Any) -> Deployment:
    version = version or a_version()
    base = Deployment(
        deployment_id=name,
        name=name,
        tenant_id="ten_default",
        generation=1,
        desired=DeploymentDesired.RUN,
        replicas=1,
        version_id=version.version_id,
        version_number=version.number,
        model_name=version.model_name,
        model_kind=version.model_kind,
        disconnect_grace_s=60.0,
        drain_timeout_s=30.0,
    )
    return msgspec.structs.replace(base, **changes)


def a_node(node_id: str = "nod_1", **changes: Any) -> Node:
    base = Node(
        node_id=node_id,
        epoch=1,
        incarnation="one",
        inventory=an_inventory(hostname=node_id),
        state_since=0.0,
        registered_at=0.0,
        last_heartbeat_at=0.0,
    )
    return msgspec.structs.replace(base, **changes)


def a_replica(replica_id: str = "rep_1", **changes: Any) -> Replica:
    base = Replica(
        replica_id=replica_id,
        deployment_id="dep_1",
        version_id="ver_1",
        version_number=1,
        engine=EngineKind.LLAMA_CPP,
        resources=Resources(memory_bytes=GIB),
        engine_api_key="secret",
        since=0.0,
        created_at=0.0,
    )
    return msgspec.structs.replace(base, **changes)


def an_entry(replica: Replica, phase: ObservedPhase, **changes: Any) -> ReplicaReport:
    base = ReplicaReport(
        replica_id=replica.replica_id,
        deployment_id=replica.deployment_id,
        attempt=replica.attempt,
        phase=phase,
        reason="",
        since=0.0,
        base_url="http://127.0.0.1:9001" if phase is ObservedPhase.READY else "",
        served_model="smol",
        pid=0 if phase in _DOWN else 1000,
    )
    return msgspec.structs.replace(base, **changes)


class CountingMint:
    """rep_new_1, rep_new_2, ..."""

    def __init__(self) -> None:
        self._made = 0

    def replica_id(self) -> str:
        self._made += 1
        return f"rep_new_{self._made:04d}"

    def switch_id(self) -> str:
        self._made += 1
        return f"swi_new_{self._made:04d}"

    def engine_api_key(self) -> str:
        return f"secret-{self._made}"


@dataclass
class Fleet:
    """A world of records in memory: `step` decides once and applies the plan."""

    rules: Rules = field(default_factory=Rules)
    now: float = 1000.0
    deployments: dict[str, Deployment] = field(default_factory=dict)
    versions: dict[str, VersionSpec] = field(default_factory=lambda: {"ver_1": a_version()})
    nodes: dict[str, Node] = field(default_factory=dict)
    replicas: dict[str, Replica] = field(default_factory=dict)
    reports: dict[str, NodeReport] = field(default_factory=dict)
    heard_at: dict[str, float] = field(default_factory=dict)
    is_listening: bool = True
    trusted_s: float = float("inf")
    advances: dict[tuple[str, str], float] = field(default_factory=dict)
    """When a node last came further with files or an engine."""
    tenants: dict[str, TenantRecord] = field(default_factory=dict)
    actions: list[Action] = field(default_factory=list)
    mint: CountingMint = field(default_factory=CountingMint)

    def with_nodes(self, *nodes: Node) -> "Fleet":
        for node in nodes:
            self.nodes[node.node_id] = node
            self.heard_at[node.node_id] = self.now
        return self

    def with_deployment(self, deployment: Deployment) -> "Fleet":
        self.deployments[deployment.deployment_id] = deployment
        return self

    def with_replicas(self, *replicas: Replica) -> "Fleet":
        self.replicas |= {item.replica_id: item for item in replicas}
        return self

    def view(self) -> View:
        silence = {
            key: Silence(contact_s=self.now - self.heard_at[key], silent_s=self.now - self.heard_at[key])
            for key in self.nodes
        }
        return View(
            deployments=dict(self.deployments),
            versions=dict(self.versions),
            nodes=dict(self.nodes),
            replicas={key: row for key, row in self.replicas.items() if row.ended_at is None},
            reports=dict(self.reports),
            ended=frozenset(key for key, row in self.replicas.items() if row.ended_at is not None),
            silence=silence,
            is_listening=self.is_listening,
            trusted_s=self.trusted_s,
            advances=dict(self.advances),
            tenants=dict(self.tenants),
        )

    def step(self, seconds: float = 0.0) -> Plan:
        self.now += seconds
        plan = decide(self.view(), now=self.now, rules=self.rules, mint=self.mint)
        self.nodes |= {row.node_id: row for row in plan.nodes}
        self.deployments |= {row.deployment_id: row for row in plan.deployments}
        self.replicas |= {row.replica_id: row for row in (*plan.replicas, *plan.new_replicas)}
        self.actions.extend(plan.actions)
        return plan

    def hear(self, *node_ids: str) -> None:
        """Heartbeats of these nodes come in."""
        for node_id in node_ids:
            self.heard_at[node_id] = self.now

    def hear_all(self) -> None:
        """Heartbeats of every node come in."""
        self.hear(*self.nodes)

    def report(self, node_id: str, *entries: ReplicaReport, **changes: Any) -> None:
        """The node reports these entries, having taken in everything it was told."""
        node = self.nodes[node_id]
        before = self.reports.get(node_id)
        base = NodeReport(
            node_id=node_id,
            epoch=node.epoch,
            incarnation=node.incarnation,
            sequence=before.sequence + 1 if before is not None else 1,
            assignments_revision=node.assignments_revision,
            inventory=node.inventory,
            replicas=entries,
        )
        self.reports[node_id] = msgspec.structs.replace(base, **changes)

    def report_all(self, phase: ObservedPhase = ObservedPhase.READY) -> None:
        """Every node that is heard now reports all that it was assigned in one phase."""
        for node_id in self.nodes:
            if self.heard_at[node_id] == self.now:
                held = [item for item in self.live() if item.node_id == node_id]
                self.report(node_id, *(an_entry(item, phase) for item in held))

    def live(self) -> list[Replica]:
        return [row for _, row in sorted(self.replicas.items()) if row.ended_at is None]

    def phases(self) -> list[Phase]:
        return [row.phase for row in self.live()]

    def only(self) -> Replica:
        (replica,) = self.live()
        return replica

    def settle(self) -> "Fleet":
        """Place everything and let every engine become ready."""
        self.hear_all()
        self.step()
        self.report_all()
        self.step()
        return self


def a_fleet(nodes: int = 1, replicas: int = 1, **changes: Any) -> Fleet:
    """A fleet whose deployment `dep_1` is running with all replicas ready."""
    fleet = Fleet(**changes).with_nodes(*(a_node(f"nod_{i:02d}") for i in range(1, nodes + 1)))
    return fleet.with_deployment(a_deployment(replicas=replicas)).settle()


def reasons(fleet: Fleet) -> list[Reason]:
    return [row.reason for row in fleet.live()]

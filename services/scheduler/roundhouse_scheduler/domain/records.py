"""The scheduler's records as values: node, deployment, replica. One row of SQL each; `row_version` guards commits."""

import enum

import msgspec

from roundhouse_common.contracts.catalog import (
    Autoscale,
    DeploymentDesired,
    EngineKind,
    ModelKind,
    Resources,
    Rollout,
)
from roundhouse_common.contracts.node import NodeInventory
from roundhouse_common.contracts.scheduler import Desired, NodeAdmission, Phase, Reason
from roundhouse_scheduler.domain.autoscale.bounds import may_sleep

__all__ = [
    "Deployment",
    "Node",
    "NodeDuty",
    "NodeState",
    "Quarantine",
    "Refusal",
    "Rejection",
    "RejectionReason",
    "Replica",
    "VersionFailure",
]


class NodeState(enum.StrEnum):
    """What the scheduler makes of a node's silence."""

    READY = "ready"
    LATE = "late"
    """The lease ran out; nothing is concluded yet."""
    UNREACHABLE = "unreachable"
    """Silent past the grace, on two looks, with the brake off; its replicas were replaced."""


class NodeDuty(enum.StrEnum):
    """What an administrator wants of a node."""

    ACTIVE = "active"
    CORDONED = "cordoned"
    """What runs goes on; nothing new comes."""
    DRAINING = "draining"
    """Its replicas move away, each when its replacement is ready; then it stays cordoned."""
    MAINTENANCE = "maintenance"
    """As DRAINING, and its silence alarms nobody."""


class Quarantine(msgspec.Struct, frozen=True, kw_only=True):
    """One device that is not to be used."""

    device_uuid: str
    reason: str
    actor: str
    at: float


class VersionFailure(msgspec.Struct, frozen=True, kw_only=True):
    """The first error of a version since it was last started, with its diagnosis."""

    at: float
    replica_id: str
    node_id: str
    reason: Reason
    detail: str
    log_tail: tuple[str, ...] = ()
    is_fatal: bool = False
    """The version was given up because of it, not only one of its engines."""


class RejectionReason(enum.StrEnum):
    """Why a node cannot take a replica."""

    NODE_NOT_READY = "node-not-ready"
    NODE_SHUTTING_DOWN = "node-shutting-down"
    REFUSED_BY_NODE = "refused-by-node"
    ENGINE_MISSING = "engine-missing"
    REGION = "region"
    LABELS = "labels"
    DEVICE_VENDOR = "device-vendor"
    DEVICES = "devices"
    MEMORY = "memory"
    CPU = "cpu"
    NODE_NOT_APPROVED = "node-not-approved"
    NODE_CORDONED = "node-cordoned"
    ZONE = "zone"
    NOT_CHOSEN = "not-chosen"
    """The placement names other nodes or devices."""
    DEVICE_MODEL = "device-model"
    DEVICE_HEALTH = "device-health"
    ANTI_AFFINITY = "anti-affinity"
    GANG = "gang"
    """It would do for one member, but there are not enough like it."""


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """One node's answer to "why not here?"."""

    node_id: str
    reason: RejectionReason
    detail: str
    device_uuid: str = ""
    """Empty when it is about the node as a whole."""
    is_beyond: bool = False
    """It would not fit if nothing else ran there either."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A node refused a replica itself; it is not asked again before `until`."""

    node_id: str
    detail: str
    until: float
    is_soft: bool = False
    """Another node is tried first; when none can take it this one is asked after all."""


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One host. `epoch` grows with each registration; messages of any other epoch are not this node's."""

    node_id: str
    epoch: int
    incarnation: str
    inventory: NodeInventory
    state: NodeState = NodeState.READY
    state_since: float
    registered_at: float
    last_heartbeat_at: float
    """For people. Leases are judged on the monotonic clock (domain/leases.py)."""
    report_sequence: int = 0
    """Of the last report of this epoch that was folded in; an older one arriving late is not looked at again."""
    is_shutting_down: bool = False
    is_given_up: bool = False
    """An operator said that it is dead: neither grace nor brake keeps its replicas. Forgotten when it is heard."""
    assignments_revision: int = 0
    labels: dict[str, str] = {}
    """An administrator's; laid over the inventory's."""
    region: str = ""
    """An administrator's; empty: the inventory's. So is `zone`."""
    zone: str = ""
    admission: NodeAdmission = NodeAdmission.APPROVED
    duty: NodeDuty = NodeDuty.ACTIVE
    duty_since: float = 0.0
    duty_reason: str = ""
    quarantines: tuple[Quarantine, ...] = ()
    is_settled: bool = True
    """False while it runs engines that the record does not know and that were not judged yet."""
    orphans: tuple[str, ...] = ()
    """Replicas that it runs, that the record does not know and that nobody wants: judged, it may stop them."""
    row_version: int = 0

    @property
    def all_labels(self) -> dict[str, str]:
        """Its own labels with an administrator's laid over them."""
        return {**self.inventory.labels, **self.labels}

    @property
    def in_region(self) -> str:
        """Where it is, in the words of its administrator or its own."""
        return self.region or self.inventory.region

    @property
    def in_zone(self) -> str:
        """Where it is within its region."""
        return self.zone or self.inventory.zone

    @property
    def takes_replicas(self) -> bool:
        """Whether anything new may be placed on it, as far as people say."""
        return self.admission is NodeAdmission.APPROVED and self.duty is NodeDuty.ACTIVE

    @property
    def is_leaving(self) -> bool:
        """Whether its replicas are to move away."""
        return self.duty in (NodeDuty.DRAINING, NodeDuty.MAINTENANCE) or self.admission is NodeAdmission.REMOVED


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """The scheduler's own copy of a DeploymentSpec; `generation` never goes back."""

    deployment_id: str
    name: str
    tenant_id: str
    generation: int
    desired: DeploymentDesired
    replicas: int
    version_id: str
    version_number: int
    model_name: str
    model_kind: ModelKind
    disconnect_grace_s: float
    drain_timeout_s: float
    endpoints_revision: int = 0
    rollout: Rollout = Rollout()
    autoscale: Autoscale | None = None
    is_paused: bool = False
    is_evictable: bool = False
    wake_timeout_s: float = 300.0
    failure_budget: int = 10
    restarts: int = 0
    """As the spec says; when it grows, failures so far are forgotten."""
    target_replicas: int | None = None
    """What automatic scaling, idleness or eviction made of `replicas`; None: as the spec says."""
    target_reason: Reason = Reason.UNKNOWN
    last_used_at: float = 0.0
    """When a request was last known to be there, or somebody asked for it to run; written at most every half minute."""
    rollout_began_at: float | None = None
    rollout_progress_at: float | None = None
    """When the version being rolled out last gained an available replica, or came further in fetching its files or
    installing its engine."""
    rollout_from_number: int = 0
    """The version that the one being rolled out takes over from."""
    rollout_paused_at: float | None = None
    failed_version_id: str = ""
    """The version that failed last. While it is the wanted one nothing more is made of it; while the one before it
    takes its place again, that one is not judged."""
    restarts_done: int = 0
    """Up to which of `restarts` failures were forgotten."""
    project_id: str = ""
    """Empty: of none."""
    row_version: int = 0

    @property
    def wanted_replicas(self) -> int:
        """How many replicas there should be now."""
        return self.replicas if self.target_replicas is None else self.target_replicas

    @property
    def is_sleeping(self) -> bool:
        """Whether idleness or eviction made it hold nothing, though it should run."""
        return self.desired is DeploymentDesired.RUN and self.target_replicas == 0

    @property
    def is_wakeable(self) -> bool:
        """Whether it may sleep, and a request wakes it."""
        return self.is_evictable or (self.autoscale is not None and may_sleep(self.autoscale))

    @property
    def follows_demand(self) -> bool:
        """Whether requests, or their absence, change anything about it."""
        return self.autoscale is not None or self.is_evictable or self.target_replicas is not None


class Replica(msgspec.Struct, frozen=True, kw_only=True):
    """One copy of one version. Two axes: `desired` is ours, `phase` is what was observed."""

    replica_id: str
    deployment_id: str
    version_id: str
    version_number: int
    engine: EngineKind
    resources: Resources
    """What it claims on its node from placement until it has ended, whatever its phase."""
    engine_api_key: str
    desired: Desired = Desired.RUN
    desired_reason: Reason = Reason.CREATED
    phase: Phase = Phase.PENDING
    reason: Reason = Reason.CREATED
    detail: str = ""
    since: float
    created_at: float
    ended_at: float | None = None
    node_id: str = ""
    """Empty until placed."""
    device_uuids: tuple[str, ...] = ()
    attempt: int = 1
    assigned_revision: int = 0
    """The node's assignments revision that first carried the present assignment of this replica."""
    is_serving: bool = False
    """The last report that counts said READY; an UNKNOWN replica that was serving keeps its endpoint."""
    ready_since: float | None = None
    failures: int = 0
    """In a row; forgotten after a long time ready."""
    node_failures: int = 0
    """Those of them on its present node."""
    retry_at: float | None = None
    last_failure: str = ""
    overdue_since: float | None = None
    """First look past the disconnect grace; the second look decides."""
    missing_since: float | None = None
    """First report of its node that should have listed it and did not."""
    replaces: str = ""
    """The lost replica it stands in for."""
    base_url: str = ""
    served_model: str = ""
    pid: int = 0
    exit_code: int | None = None
    log_tail: tuple[str, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    alternative: str = ""
    """Name of the version's alternative that `resources` are of; empty: the version's own."""
    is_spent: bool = False
    """It failed too often in a row: it rests, holds nothing, and counts as present until the version is restarted."""
    memory_bytes: int = 0
    """What it was last measured to take; `resources.memory_bytes` is what was predicted."""
    features: tuple[str, ...] = ()
    """Which endpoints its engine has, as its node said last; empty: not known."""
    gang_id: str = ""
    """The same for all members of a replica that spans nodes, over all its epochs; empty for a single one."""
    gang_rank: int = 0
    gang_size: int = 1
    gang_epoch: int = 0
    gang_address: str = ""
    gang_port: int = 0
    row_version: int = 0

    @property
    def is_wanted(self) -> bool:
        """Whether it should run, wherever it is in its life."""
        return self.desired is Desired.RUN and self.ended_at is None

    @property
    def is_held(self) -> bool:
        """Whether it holds its claim on a node."""
        return bool(self.node_id) and self.ended_at is None and not self.is_spent

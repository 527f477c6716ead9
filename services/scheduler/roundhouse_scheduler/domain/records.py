"""The scheduler's records as values: node, deployment, replica. One row of SQL each; `row_version` guards commits."""

import enum

import msgspec

from roundhouse_common.contracts.catalog import DeploymentDesired, EngineKind, ModelKind, Resources
from roundhouse_common.contracts.node import NodeInventory
from roundhouse_common.contracts.scheduler import Desired, Phase, Reason

__all__ = ["Deployment", "Node", "NodeState", "Refusal", "Rejection", "RejectionReason", "Replica"]


class NodeState(enum.StrEnum):
    """What the scheduler makes of a node's silence."""

    READY = "ready"
    LATE = "late"
    """The lease ran out; nothing is concluded yet."""
    UNREACHABLE = "unreachable"
    """Silent past the grace, on two looks, with the brake off; its replicas were replaced."""


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


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """One node's answer to "why not here?"."""

    node_id: str
    reason: RejectionReason
    detail: str


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A node refused a replica itself; it is not asked again before `until`."""

    node_id: str
    detail: str
    until: float


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
    row_version: int = 0


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
    row_version: int = 0


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
    row_version: int = 0

    @property
    def is_wanted(self) -> bool:
        """Whether it should run, wherever it is in its life."""
        return self.desired is Desired.RUN and self.ended_at is None

    @property
    def is_held(self) -> bool:
        """Whether it holds its claim on a node."""
        return bool(self.node_id) and self.ended_at is None

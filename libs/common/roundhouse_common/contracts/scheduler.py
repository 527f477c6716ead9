"""What the scheduler publishes: who runs what where, and which addresses take requests."""

from roundhouse_common.contracts.base import Message, OpenEnum
from roundhouse_common.contracts.catalog import EngineKind, ModelDefaults, ModelKind, Resources, VersionSpec
from roundhouse_common.contracts.node import NodeInventory, ReplicaReport

__all__ = [
    "Assignment",
    "AssignmentsQuery",
    "DeploymentEndpoints",
    "Desired",
    "Endpoint",
    "EndpointState",
    "GangMembership",
    "NodeAdmission",
    "NodeAssignments",
    "Phase",
    "Reason",
    "RegisterNode",
    "Registered",
    "ReplicaTransition",
    "VersionFailed",
    "VersionState",
    "VersionStates",
    "VersionStatesQuery",
]


class Phase(OpenEnum):
    """What is observed of a replica. The transition table is in the scheduler's domain."""

    PENDING = "pending"
    ASSIGNED = "assigned"
    FETCHING = "fetching"
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    STOPPED = "stopped"
    FAILED = "failed"
    UNKNOWN = "unknown"
    LOST = "lost"


class Desired(OpenEnum):
    """What is wanted of a replica."""

    UNKNOWN = "unknown"
    RUN = "run"
    DRAIN = "drain"
    STOP = "stop"


class Reason(OpenEnum):
    """Why a replica is in its phase. Closed: add here, never free text."""

    UNKNOWN = "unknown"
    CREATED = "created"
    """The deployment wants one more replica."""
    NO_FEASIBLE_NODE = "no-feasible-node"
    """No node can take it; the rejections per node say why."""
    QUOTA = "quota"
    """Its tenant or project holds already what it may."""
    PLACED = "placed"
    NODE_REJECTED = "node-rejected"
    """The node refused the assignment; it has the last word on its own resources."""
    FETCHING_MODEL = "fetching-model"
    MODEL_UNAVAILABLE = "model-unavailable"
    INSTALLING_ENGINE = "installing-engine"
    """The node installs the engine that the version asks for."""
    ENGINE_UNAVAILABLE = "engine-unavailable"
    """The node could not install the engine."""
    ENGINE_STARTING = "engine-starting"
    ENGINE_READY = "engine-ready"
    ENGINE_EXITED = "engine-exited"
    """The engine process ended without being asked to."""
    ENGINE_UNRESPONSIVE = "engine-unresponsive"
    START_FAILED = "start-failed"
    START_TIMEOUT = "start-timeout"
    RESTART_BACKOFF = "restart-backoff"
    """It failed repeatedly and waits before it is started again."""
    SCALED_DOWN = "scaled-down"
    DEPLOYMENT_STOPPED = "deployment-stopped"
    DEPLOYMENT_DELETED = "deployment-deleted"
    VERSION_REPLACED = "version-replaced"
    NODE_LATE = "node-late"
    """The node's lease ran out; its endpoints stay while the router's own checks pass."""
    NODE_RETURNED = "node-returned"
    NODE_LOST = "node-lost"
    """The node stayed away past the grace; the replica is replaced elsewhere."""
    NODE_SHUTDOWN = "node-shutdown"
    """The node's operator stopped it and its engines."""
    SURVIVOR_ELSEWHERE = "survivor-elsewhere"
    """The node came back after the replica was replaced, and the replacement was kept."""
    DRAINED = "drained"
    DRAIN_TIMEOUT = "drain-timeout"
    STOPPED_AS_ASKED = "stopped-as-asked"
    NODE_DRAINED = "node-drained"
    """An operator drains its node; its replacement is ready elsewhere."""
    NODE_REMOVED = "node-removed"
    DEVICE_QUARANTINED = "device-quarantined"
    """An operator, or its node, took one of its devices out of use."""
    GANG_MEMBER_DOWN = "gang-member-down"
    """Another member of its gang is down: all stop, and a new epoch starts."""
    FAILURE_BUDGET_SPENT = "failure-budget-spent"
    """It failed too often in a row and rests until somebody restarts the version."""
    VERSION_FAILED = "version-failed"
    """Its version failed and is replaced by the one before it."""
    AUTOSCALED = "autoscaled"
    IDLE = "idle"
    """Nobody asked for so long that the deployment was put to sleep."""
    EVICTED = "evicted"
    """It was idle, and another deployment needed the room."""
    WOKEN = "woken"
    """It slept, and a request or somebody asked for it."""
    SWITCH_CANCELLED = "switch-cancelled"
    ADOPTED = "adopted"
    """Its node runs it, and the scheduler's record had lost it."""


class GangMembership(Message, frozen=True, kw_only=True):
    """One member of a replica that spans several nodes. The rendezvous is rank 0's address and port."""

    gang_id: str
    epoch: int
    """Grows whenever the gang starts anew; members of two epochs never run together."""
    rank: int
    size: int
    address: str
    port: int


class Assignment(Message, frozen=True, kw_only=True):
    """One replica on one node. `generation` grows with each change of this assignment."""

    replica_id: str
    deployment_id: str
    deployment_name: str
    version: VersionSpec
    """Placed by one of its alternatives, it has that one's resources and parameters for its own."""
    desired: Desired
    reason: Reason
    """Why it is desired so: what a stop will be logged with."""
    attempt: int = 1
    """Grows when the engine must be started afresh after a failure; a node starts each attempt once."""
    device_uuids: tuple[str, ...] = ()
    engine_api_key: str
    """What the engine asks of its callers; only this node and the routers know it."""
    drain_timeout_s: float = 30.0
    fence_after_s: float = 0.0
    """Stop this engine by itself when cut off from the scheduler this long; 0 means never (docs/decisions)."""
    gang: GangMembership | None = None
    alternative: str = ""
    """Name of the version's alternative that it was placed by; empty for the version's own."""


class NodeAssignments(Message, frozen=True, kw_only=True):
    """Everything one node must run, whole. Bucket `assignments`, key: node id.

    What is not listed is not wanted. It is a hint to look: before it stops an engine, a node asks the scheduler
    (Rpc `node.assignments`).
    """

    node_id: str
    epoch: int
    revision: int
    """Grows with every change for this node; a node ignores a lower one than it has seen in this epoch."""
    assignments: tuple[Assignment, ...]
    is_settled: bool = True
    """False while the scheduler has not yet judged what this node said it runs: then nothing that is not listed may
    be stopped."""


class AssignmentsQuery(Message, frozen=True, kw_only=True):
    """Ask the scheduler's database what this node must run. Answered with NodeAssignments."""

    node_id: str
    epoch: int
    running: tuple[str, ...] = ()
    """Replicas with an engine on it. One that the database has never heard of makes the answer unsettled: a record that
    was lost is no order to stop."""


class RegisterNode(Message, frozen=True, kw_only=True):
    """A node agent starts (or was told its epoch is old) and asks for a new epoch."""

    node_id: str
    incarnation: str
    """Random per agent process: tells a restart from a clone."""
    inventory: NodeInventory
    highest_epoch: int = 0
    """The highest epoch this node has seen. The new one is above it, also when the scheduler's database was restored
    from an older copy: a node refuses an epoch that does not grow."""
    replicas: tuple[ReplicaReport, ...] = ()
    """What it runs at this moment."""


class NodeAdmission(OpenEnum):
    UNKNOWN = "unknown"
    APPROVED = "approved"
    PENDING = "pending"
    """It waits for an administrator and gets nothing to run."""
    REMOVED = "removed"


class Registered(Message, frozen=True, kw_only=True):
    node_id: str
    epoch: int
    heartbeat_interval_s: float
    lease_s: float
    admission: NodeAdmission = NodeAdmission.APPROVED


class EndpointState(OpenEnum):
    UNKNOWN = "unknown"
    READY = "ready"
    SUSPECT = "suspect"
    """The node is late; use it while requests to it succeed."""
    DRAINING = "draining"
    """No new requests."""


class Endpoint(Message, frozen=True, kw_only=True):
    """A routable address of one replica."""

    replica_id: str
    node_id: str
    base_url: str
    """e.g. `http://127.0.0.1:9001`, without a trailing slash; the OpenAI paths are below it."""
    served_model: str
    """What the engine wants as `model`."""
    engine_api_key: str
    state: EndpointState
    region: str = ""
    engine: EngineKind = EngineKind.UNKNOWN
    """How the router asks for running token counts in a stream; UNKNOWN makes it count chunks."""
    features: tuple[str, ...] = ()
    """Which endpoints its engine really has; empty: not known."""
    concurrency: int = 0
    """Requests at once that it was started for; 0: not known."""
    device_class: str = ""
    """Model of its accelerators; `cpu` without; empty: not known."""
    version_id: str = ""
    """Of the deployment, that it runs."""


class DeploymentEndpoints(Message, frozen=True, kw_only=True):
    """All endpoints of one deployment, whole. Bucket `endpoints`, key: deployment id."""

    deployment_id: str
    deployment_name: str
    tenant_id: str
    model_name: str
    model_kind: ModelKind
    revision: int
    """Grows with every change; a router ignores a lower one than it has seen."""
    endpoints: tuple[Endpoint, ...]
    is_wakeable: bool = False
    """It may sleep: routers that find no endpoint signal `deployment.wanted` and hold the request."""
    wake_timeout_s: float = 0.0
    """How long they hold it."""
    defaults: ModelDefaults | None = None
    """What a request gets that does not say otherwise."""
    context_tokens: int = 0
    """Tokens of prompt and answer together that a request may have; 0: not known."""
    version_id: str = ""
    """The active version: part of the key of cached answers."""


class ReplicaTransition(Message, frozen=True, kw_only=True):
    """A replica changed phase. Event, for the timeline and for billing by replica-seconds."""

    event_id: str
    at: float
    replica_id: str
    deployment_id: str
    version_id: str
    node_id: str
    before: Phase
    after: Phase
    reason: Reason
    detail: str = ""
    tenant_id: str = ""
    version_number: int = 0
    is_holding: bool | None = None
    """Whether it holds its claim from here on; None from a scheduler that did not say."""
    is_serving: bool | None = None
    """Whether it serves from here on; a node that is late does not end it."""
    resources: Resources | None = None
    """What it claims while it holds."""
    device_uuids: tuple[str, ...] = ()
    device_class: str = ""
    """As Endpoint has it."""
    project_id: str = ""


class VersionState(OpenEnum):
    """A version's state as its user sees it, derived from the phases of its replicas."""

    UNKNOWN = "Unknown"
    PREPARING = "Preparing"
    RUNNING = "Running"
    SHUTTING_DOWN = "Shutting Down"
    STOPPED = "Stopped"
    ERROR = "Error"


class VersionStatesQuery(Message, frozen=True, kw_only=True):
    """Ask for the states of all versions of a deployment that the scheduler has seen."""

    deployment_id: str


class VersionStates(Message, frozen=True, kw_only=True):
    """States by version id; a version that never ran is not in it."""

    deployment_id: str
    generation: int
    """Of the newest spec that the scheduler has taken in; an asker that knows a higher one must ask again."""
    states: dict[str, VersionState]


class VersionFailed(Message, frozen=True, kw_only=True):
    """A new version failed before it took over. Event: the catalog decides whether to go back."""

    event_id: str
    at: float
    deployment_id: str
    generation: int
    """Of the spec under which it failed: the catalog ignores the event when the spec has moved on."""
    version_id: str
    version_number: int
    reason: Reason
    detail: str
    """The diagnosis, for people."""
    log_tail: tuple[str, ...] = ()
    serving_number: int = 0
    """The newest other version that serves, which it takes back to; 0 when none does."""

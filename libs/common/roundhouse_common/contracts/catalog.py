"""What the catalog publishes: what should run, who may call, and which name leads where."""

from roundhouse_common.contracts.base import Message, OpenEnum

__all__ = [
    "ApiKeyRecord",
    "DeploymentChange",
    "DeploymentChanged",
    "DeploymentDesired",
    "DeploymentSpec",
    "EngineKind",
    "ModelKind",
    "ModelSource",
    "Placement",
    "Resources",
    "RouteRecord",
    "RouteTarget",
    "SourceKind",
    "VersionSpec",
]


class ModelKind(OpenEnum):
    """What a model does, hence which endpoints it can serve."""

    UNKNOWN = "unknown"
    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDING = "embedding"
    RERANK = "rerank"
    IMAGE = "image"
    SPEECH = "speech"
    TRANSCRIPTION = "transcription"


class SourceKind(OpenEnum):
    """Where model files come from."""

    UNKNOWN = "unknown"
    PATH = "path"
    """`uri` is an absolute path on the node, a file or a directory."""
    PYTHON_PACKAGE = "python-package"
    """`uri` is `package/resource`, a file inside an installed Python package on the node."""


class ModelSource(Message, frozen=True, kw_only=True):
    kind: SourceKind
    uri: str


class EngineKind(OpenEnum):
    """Which inference engine runs a version."""

    UNKNOWN = "unknown"
    LLAMA_CPP = "llama.cpp"


class Resources(Message, frozen=True, kw_only=True):
    """What one replica claims. Devices are accelerators; 0 devices means the CPU."""

    memory_bytes: int
    """Host memory when `device_count` is 0, else memory on each device."""
    cpu_millis: int = 0
    """Thousandths of a core that are reserved; 0 reserves none."""
    device_count: int = 0


class Placement(Message, frozen=True, kw_only=True):
    """Which nodes may run a replica. Empty means any."""

    node_labels: dict[str, str] = {}
    region: str = ""
    device_vendor: str = ""


class VersionSpec(Message, frozen=True, kw_only=True):
    """One immutable version of a deployment."""

    version_id: str
    number: int
    """1, 2, 3, ... within the deployment."""
    model_id: str
    model_name: str
    model_kind: ModelKind
    source: ModelSource
    context_length: int
    """Tokens the model was made for; 0 when unknown."""
    engine: EngineKind
    parameters: dict[str, str] = {}
    """Engine parameters as the user gave them, e.g. {"parallel": "4"}; checked by the engine's driver."""
    resources: Resources
    placement: Placement = Placement()


class DeploymentDesired(OpenEnum):
    UNKNOWN = "unknown"
    RUN = "run"
    STOP = "stop"
    DELETE = "delete"
    """Kept as a tombstone: a missing key never means "delete"."""


class DeploymentSpec(Message, frozen=True, kw_only=True):
    """What the scheduler must make true for one deployment. Bucket `specs`, key: deployment id."""

    deployment_id: str
    name: str
    tenant_id: str
    generation: int
    """Grows with every change; a reader ignores a lower one than it has seen."""
    desired: DeploymentDesired
    replicas: int
    version: VersionSpec
    disconnect_grace_s: float = 60.0
    """How long past its lease a node may be silent before its replicas are replaced elsewhere."""
    drain_timeout_s: float = 30.0
    """How long requests in flight may go on after a replica was told to drain."""


class DeploymentChange(OpenEnum):
    UNKNOWN = "unknown"
    CREATED = "created"
    SCALED = "scaled"
    STARTED = "started"
    STOPPED = "stopped"
    VERSION_ADDED = "version_added"
    """A new version became the active one."""
    UPDATED = "updated"
    """Settings other than the replica count changed."""
    DELETED = "deleted"


class DeploymentChanged(Message, frozen=True, kw_only=True):
    """An administrator changed a deployment. Event, for the timeline and the audit."""

    event_id: str
    at: float
    deployment_id: str
    generation: int
    change: DeploymentChange
    actor: str
    """Who did it, e.g. `user:admin`."""
    detail: str = ""
    """What changed in words, e.g. `replicas 1 -> 3`."""


class ApiKeyRecord(Message, frozen=True, kw_only=True):
    """One API key as routers need it. Bucket `keys`, key: key id. The secret itself is never stored."""

    key_id: str
    sha256: str
    """Hex digest of the whole secret."""
    name: str
    tenant_id: str
    user_id: str
    deployment_ids: tuple[str, ...] = ()
    """Deployments it may call; empty means all of the tenant."""
    expires_at: float = 0.0
    """Unix seconds; 0 means never."""
    is_revoked: bool = False


class RouteTarget(Message, frozen=True, kw_only=True):
    deployment_id: str
    weight: int = 1


class RouteRecord(Message, frozen=True, kw_only=True):
    """A name that clients send as `model`, and where it leads. Bucket `routes`, key: route id."""

    route_id: str
    name: str
    tenant_id: str
    targets: tuple[RouteTarget, ...]
    model_kind: ModelKind
    created_at: float
    is_deleted: bool = False
    """Kept as a tombstone: a missing key never means "delete"."""

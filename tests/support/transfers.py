"""Transfers into a store of a test's own, without a process: the plan is what the test says."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.contracts.provisioning import Peer
from roundhouse_common.model_sources import source_key
from roundhouse_node_agent.sources.source import FileSource, SourceOptions
from roundhouse_node_agent.transfers.child import obey
from roundhouse_node_agent.transfers.messages import Fetched, FetchOrder, Progress, Refused, TransferLimits
from roundhouse_node_agent.transfers.plan import FetchPlan, RemoteFile
from roundhouse_node_agent.transfers.store import FileStore, StoredFiles

__all__ = ["PART", "Transfers"]

PART = 64 * 1024
LIMITS = TransferLimits(
    connections=4, part_bytes=PART, headroom_bytes=0, stall_timeout_s=0.5, retry_s=0.01, patience_s=5.0
)


class Transfers:
    """One store, and one source whose plan changes as the test wishes."""

    def __init__(self, root: Path) -> None:
        self.store = FileStore(root)
        self.source = ModelSource(kind=SourceKind.HUGGING_FACE, uri="org/model")
        self.limits = LIMITS
        self.peers: Sequence[Peer] = ()
        self.plans = 0
        self.progress: list[Progress] = []
        self._files: tuple[RemoteFile, ...] = ()
        self.revision = "one"

    @property
    def key(self) -> str:
        return source_key(self.source)

    def plan(self, source: ModelSource) -> FetchPlan:
        """What the source says when it is asked."""
        self.plans += 1
        return FetchPlan(source=source, revision=self.revision, files=self._files, origin="the test")

    def limited(self, **changes: Any) -> None:
        self.limits = msgspec.structs.replace(self.limits, **changes)

    async def run(self, *files: RemoteFile) -> Fetched | Refused:
        """Fetch these files as one model."""
        self._files = files
        order = FetchOrder(
            source=self.source, root=str(self.store.layout.root), peers=tuple(self.peers), limits=self.limits
        )
        return await obey(order, self._sources, self.progress.append)

    async def fetched(self, *files: RemoteFile) -> StoredFiles:
        """Fetch these files as one model, which must succeed."""
        answer = await self.run(*files)
        assert isinstance(answer, Fetched), answer
        found = self.store.find(answer.key)
        assert found is not None
        return found

    async def refused(self, *files: RemoteFile) -> Refused:
        """Fetch these files as one model, which must fail."""
        answer = await self.run(*files)
        assert isinstance(answer, Refused), answer
        return answer

    def bytes_of(self, path: str) -> bytes:
        """Return a file of the model as an engine would read it."""
        return Path(self.store.layout.tree(self.key), "files", path).read_bytes()

    def _sources(self, _options: SourceOptions) -> Mapping[SourceKind, FileSource]:
        return {self.source.kind: self}

"""Fetches one model into the store: from peers what they have, from its source the rest, then published whole."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from roundhouse_common.contracts.catalog import SourceKind
from roundhouse_common.model_sources import source_key
from roundhouse_node_agent.sources.source import FileSource
from roundhouse_node_agent.transfers.durable import try_lock, unlock
from roundhouse_node_agent.transfers.errors import TransferFailed
from roundhouse_node_agent.transfers.file_transfer import FileTransfer
from roundhouse_node_agent.transfers.layout import is_digest
from roundhouse_node_agent.transfers.manifest import Manifest, ManifestFile
from roundhouse_node_agent.transfers.messages import FetchOrder
from roundhouse_node_agent.transfers.partial_file import PartialFile
from roundhouse_node_agent.transfers.peers import PeerPlan, ask_peers
from roundhouse_node_agent.transfers.places import Places
from roundhouse_node_agent.transfers.plan import FetchPlan, RemoteFile
from roundhouse_node_agent.transfers.plan_record import PlannedFile, PlanRecord
from roundhouse_node_agent.transfers.store import FileStore
from roundhouse_node_agent.transfers.tools import Tools, in_thread, together
from roundhouse_node_agent.transfers.unfinished import blob_of, file_bytes
from roundhouse_node_agent.transfers.web import Place

__all__ = ["ModelTransfer"]

_LOCK_POLL_S: Final = 0.2
_PEER_PATIENCE_S: Final = 20.0


class ModelTransfer:
    """One order. `step` says what is being done at the moment."""

    def __init__(
        self, order: FetchOrder, *, store: FileStore, sources: Mapping[SourceKind, FileSource], tools: Tools
    ) -> None:
        self._order = order
        self._key = source_key(order.source)
        self._store = store
        self._sources = sources
        self._tools = tools
        self._files_at_once = asyncio.Semaphore(order.limits.connections)
        self.step = ""
        self.revision = ""

    async def run(self) -> str:
        """Return the key of the model, which is in the store then. Raises TransferFailed, SourceRefused."""
        lock = self._store.layout.lock(self._key)
        fd = try_lock(lock)
        if fd is None:
            self.step = "waiting for another transfer of the same model"
            fd = await self._lock(self._key)
        try:
            if await asyncio.to_thread(self._store.find, self._key) is None:
                await self._fetch()
        finally:
            unlock(fd, lock)
        return self._key

    async def _lock(self, name: str) -> int:
        while (fd := try_lock(self._store.layout.lock(name))) is None:
            await self._tools.sleep(_LOCK_POLL_S)
        return fd

    async def _fetch(self) -> None:
        source, limits = self._order.source, self._order.limits
        if self._order.peers:
            self.step = "asking other nodes"
            found = await ask_peers(self._tools.web, source, self._order.peers)
            if found is not None and await self._try_peers(found):
                return
        planner = self._sources.get(source.kind)
        if planner is None:
            raise TransferFailed(f"files from a source of the kind {source.kind} cannot be fetched")
        self.step = "asking the source for its files"
        plan = await asyncio.to_thread(planner.plan, source)
        for file in plan.files:
            if file.sha256 and not is_digest(file.sha256):
                raise TransferFailed(
                    f"the source states for {file.path!r} a SHA-256 that is none: {file.sha256[:80]!r}"
                )
        places = {file.path: _places(file, source.kind) for file in plan.files}
        await self._take(plan, places, limits.patience_s, self._file)

    async def _try_peers(self, found: PeerPlan) -> bool:
        """Fetch what peers give; return whether that was all. What they do not give is the source's."""
        missing: list[str] = []

        async def one(wanted: _Wanted) -> ManifestFile | None:
            try:
                return await self._file(wanted)
            except TransferFailed as failure:
                missing.append(str(failure))
                return None

        places = {file.path: found.places(file) for file in found.plan.files}
        await self._take(found.plan, places, min(_PEER_PATIENCE_S, self._order.limits.patience_s), one)
        return not missing

    async def _take(
        self,
        plan: FetchPlan,
        places: Mapping[str, list[Place]],
        patience_s: float,
        fetch: "Callable[[_Wanted], Awaitable[ManifestFile | None]]",
    ) -> None:
        """Fetch all files of a plan, and publish the model if that succeeded for all of them."""
        record = await asyncio.to_thread(self._store.begin, plan)
        await asyncio.to_thread(self._weigh, record)
        self.step, self.revision = "fetching", plan.revision
        kept: list[ManifestFile] = []

        async def one(wanted: _Wanted) -> None:
            async with self._files_at_once:
                file = await fetch(wanted)
            if file is not None:
                kept.append(file)

        pairs = zip(plan.files, record.files, strict=True)
        await together(*(one(_Wanted(file, planned, record, places[file.path], patience_s)) for file, planned in pairs))
        if len(kept) == len(plan.files):
            files = tuple(sorted(kept, key=lambda file: file.path))
            manifest = Manifest(source=plan.source, revision=plan.revision, files=files)
            await asyncio.to_thread(self._store.publish, manifest)

    def _weigh(self, record: PlanRecord) -> None:
        """Find out what is there already, and whether there is room for the rest. Blocks."""
        gauge, missing = self._tools.gauge, 0
        for file in record.files:
            there = file_bytes(self._store.layout, record, file)
            gauge.stand(file.path, there)
            missing += max(0, file.size - there)
        gauge.total_bytes = sum(max(0, file.size) for file in record.files)
        self._tools.check_room(missing)

    async def _file(self, wanted: "_Wanted") -> ManifestFile:
        file, planned, layout = wanted.file, wanted.planned, self._store.layout
        lock = layout.lock(planned.partial)
        fd = await self._lock(planned.partial)
        try:
            if sha256 := await asyncio.to_thread(blob_of, layout, wanted.record, planned):
                size = layout.blob(sha256).stat().st_size
                self._tools.gauge.stand(file.path, size)
                return ManifestFile(path=file.path, size=size, sha256=sha256)
            sha256, size = await self._fetch_file(wanted)
            await asyncio.to_thread(self._store.keep, self._key, planned.partial, sha256, size)
            return ManifestFile(path=file.path, size=size, sha256=sha256)
        finally:
            unlock(fd, lock)

    async def _fetch_file(self, wanted: "_Wanted") -> tuple[str, int]:
        file, tools = wanted.file, self._tools
        digest = file.sha256 or file.git_sha1
        partial = await in_thread(
            tools.writing, PartialFile, self._store.layout, wanted.planned.partial, size=file.size, digest=digest
        )
        try:
            places = Places(
                wanted.places,
                clock=tools.clock,
                rng=tools.rng,
                retry_s=tools.limits.retry_s,
                patience_s=wanted.patience_s,
            )
            return await FileTransfer(file, partial, places, tools).run()
        finally:
            partial.close()


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One file of a plan, and where it can be had."""

    file: RemoteFile
    planned: PlannedFile
    record: PlanRecord
    places: list[Place]
    patience_s: float


def _places(file: RemoteFile, kind: SourceKind) -> list[Place]:
    return [Place(url=url, headers=file.headers, kind=kind) for url in file.urls]

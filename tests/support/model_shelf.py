"""A node's model files, with transfers that a test lets end as it likes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.contracts.provisioning import FileOrder, FilesState, FileWish, StoredModel
from roundhouse_common.model_sources import source_key
from roundhouse_common.runtime import SystemClock, UnixTime
from roundhouse_node_agent.models.adoption import DiskFinder
from roundhouse_node_agent.models.cleaning import Cleaning
from roundhouse_node_agent.models.path import PathResolver
from roundhouse_node_agent.models.provision import ModelFiles, ProvisionOptions
from roundhouse_node_agent.transfers.store import FileStore
from tests.support.eventually import eventually
from tests.support.scripted_transfers import ScriptedTransfers
from tests.support.tasks import running

__all__ = ["LeapingClock", "Shelf", "a_source", "an_order"]


class LeapingClock(SystemClock):
    """The machine's clock, ahead by as much as a test says."""

    ahead_s = 0.0

    def now(self) -> UnixTime:
        return UnixTime(super().now() + self.ahead_s)

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s


def a_source(name: str, **changes: Any) -> ModelSource:
    return ModelSource(**{"kind": SourceKind.HUGGING_FACE, "uri": f"acme/{name}", **changes})


def an_order(name: str, wish: FileWish = FileWish.FETCH, **changes: Any) -> FileOrder:
    return FileOrder(**{"order_id": f"ord_{name}", "name": name, "source": a_source(name), "wish": wish, **changes})


class Shelf:
    """A node's model files, with transfers that the test lets end."""

    def __init__(self, tmp_path: Path, **options: Any) -> None:
        self.store = FileStore(tmp_path / "models")
        self.disk = tmp_path / "disk"
        self.disk.mkdir()
        self.transfers = ScriptedTransfers(self.store, tmp_path)
        self.clock = LeapingClock()
        self.used: set[str] = set()
        self.files = self.a_node(**options)
        self.cleaning = Cleaning(self.files, self.clock)

    def a_node(self, **options: Any) -> ModelFiles:
        """Another life of the agent on the same disk."""
        return ModelFiles(
            store=self.store,
            fetch=self.transfers.fetch,
            local={SourceKind.PATH: PathResolver()},
            clock=self.clock,
            options=ProvisionOptions(**options),
            find_on_disk=DiskFinder(model_directories=[self.disk]),
        )

    @contextlib.asynccontextmanager
    async def awake(self) -> AsyncIterator[None]:
        async with running(self.files.run(lambda: frozenset(self.used))):
            await eventually(lambda: self.files.is_looked_at)
            yield

    def model(self, name: str) -> StoredModel | None:
        key = source_key(a_source(name))
        return next((model for model in self.files.states() if model.key == key), None)

    async def stands(self, name: str, state: FilesState) -> StoredModel:
        def look() -> StoredModel:
            model = self.model(name)
            assert model is not None, self.files.states()
            assert model.state is state, model
            return model

        return await eventually(look)

    async def has(self, *names: str) -> None:
        """Fetch these, and order nothing afterwards."""
        for name in names:
            self.files.take((an_order(name),))
            await self.fetches(name)
            self.transfers.finish(f"acme/{name}")
            await self.stands(name, FilesState.READY)
        self.files.take(())

    async def fetches(self, *names: str) -> None:
        """Wait until these are being fetched, beside others."""
        await eventually(lambda: {f"acme/{name}" for name in names} <= self.transfers.running())

    async def has_failed(self, times: int) -> None:
        await eventually(lambda: self.files.failed_transfers == times)

    def used_after_publishing_s(self) -> float:
        (found,) = self.store.list()
        return found.used_at - found.published_at

    async def wants(self, name: str) -> "asyncio.Task[str]":
        """A replica's start that waits for files."""
        task = asyncio.create_task(self.files.ensure(a_source(name), name))
        await eventually(lambda: f"acme/{name}" in self.transfers.running() or task.done())
        return task

    async def wants_other(self, source: ModelSource) -> None:
        """See that a replica's start has to fetch this, and give it up."""
        begun = len(self.transfers.begun)
        start = asyncio.create_task(self.files.ensure(source, "other"))
        await eventually(lambda: len(self.transfers.begun) == begun + 1)
        start.cancel()
        await eventually(lambda: not self.transfers.running())

    def leap(self, seconds: float) -> None:
        self.clock.ahead_s += seconds
        self.files.look_soon()

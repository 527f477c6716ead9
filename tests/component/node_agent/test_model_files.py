"""What a node does for orders and replicas that want model files: fetched, paused, given up, tried again, kept."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.contracts.provisioning import CleanStore, FileOrder, FilesState, FileWish, Peer, StoredModel
from roundhouse_common.model_sources import source_key
from roundhouse_common.runtime import SystemClock, UnixTime
from roundhouse_node_agent.domain.errors import ModelUnavailable
from roundhouse_node_agent.models.adoption import DiskFinder
from roundhouse_node_agent.models.cleaning import Cleaning
from roundhouse_node_agent.models.path import PathResolver
from roundhouse_node_agent.models.provision import ModelFiles, ProvisionOptions
from roundhouse_node_agent.transfers.store import FileStore
from tests.support.eventually import eventually, never
from tests.support.scripted_transfers import ScriptedTransfers
from tests.support.tasks import running

PEER = Peer(node_id="nod_2", url="http://127.0.0.1:1", token="t")


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

    def leap(self, seconds: float) -> None:
        self.clock.ahead_s += seconds
        self.files.look_soon()


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    shelf = Shelf(tmp_path)
    async with shelf.awake():
        yield shelf


@pytest.mark.contract("A10")
async def test_an_order_is_fetched_and_told(shelf: Shelf) -> None:
    shelf.files.take((an_order("a"),))
    await shelf.stands("a", FilesState.FETCHING)
    await eventually(lambda: shelf.transfers.running() == {"acme/a"})
    shelf.transfers.progress("acme/a", 40, 100)
    told = shelf.model("a")
    assert told is not None
    assert (told.stored_bytes, told.total_bytes, told.order_id, told.name) == (40, 100, "ord_a", "a")
    assert [(one.stored_bytes, one.origin) for one in shelf.files.transfers()] == [(40, "a test")]
    shelf.transfers.progress("acme/a", 90, 100)
    assert shelf.files.fetched_bytes == 50

    shelf.transfers.finish("acme/a")
    ready = await shelf.stands("a", FilesState.READY)
    assert Path(ready.path).read_text() == "the weights of acme/a"
    assert (ready.file_count, ready.revision, ready.is_in_use, ready.total_bytes) == (1, "c0ffee", True, 21)
    assert shelf.files.transfers() == ()


async def test_a_pause_ends_the_transfer_and_the_order_goes_on_when_resumed(shelf: Shelf) -> None:
    shelf.files.take((an_order("a"),))
    await eventually(lambda: shelf.transfers.running() == {"acme/a"})
    shelf.files.take((an_order("a", FileWish.PAUSE),))
    await shelf.stands("a", FilesState.PAUSED)
    await eventually(lambda: shelf.transfers.interrupted == ["acme/a"])
    with pytest.raises(ModelUnavailable, match="paused; resume order ord_a"):
        await shelf.files.ensure(a_source("a"), "a")

    shelf.files.take((an_order("a"),))
    await eventually(lambda: shelf.transfers.running() == {"acme/a"})
    shelf.transfers.finish("acme/a")
    await shelf.stands("a", FilesState.READY)


@pytest.mark.parametrize("wish", [FileWish.CANCEL, FileWish.REMOVE])
async def test_a_cancelled_order_is_gone_without_a_trace(shelf: Shelf, wish: FileWish) -> None:
    shelf.files.take((an_order("a"),))
    await eventually(lambda: shelf.transfers.running() == {"acme/a"})
    shelf.files.take((an_order("a", wish),))
    await eventually(lambda: shelf.model("a") is None and not shelf.transfers.running())
    assert shelf.store.unfinished() == ()


async def test_files_are_removed_when_no_replica_has_them_any_more(shelf: Shelf) -> None:
    await shelf.has("a")
    shelf.used.add(source_key(a_source("a")))
    shelf.files.take((an_order("a", FileWish.REMOVE),))

    def waits() -> bool:
        model = shelf.model("a")
        return model is not None and "as soon as no replica uses it" in model.detail

    await eventually(waits)
    await never(lambda: shelf.model("a") is None)
    shelf.used.clear()
    shelf.files.look_soon()
    await eventually(lambda: shelf.model("a") is None)
    assert shelf.store.list() == ()


async def test_a_replica_waits_for_its_files(shelf: Shelf) -> None:
    start = await shelf.wants("a")
    assert not start.done()
    shelf.transfers.finish("acme/a")
    assert Path(await start).read_text() == "the weights of acme/a"
    assert Path(await shelf.files.ensure(a_source("a"), "a")).exists()
    assert len(shelf.transfers.begun) == 1


async def test_two_replicas_share_one_transfer(shelf: Shelf) -> None:
    first, second = await shelf.wants("a"), await shelf.wants("a")
    shelf.transfers.finish("acme/a")
    assert await first == await second
    assert len(shelf.transfers.begun) == 1


async def test_a_replica_that_is_stopped_ends_its_transfer_unless_somebody_else_wants_it(shelf: Shelf) -> None:
    start = await shelf.wants("a")
    start.cancel()
    await eventually(lambda: shelf.transfers.interrupted == ["acme/a"])

    shelf.files.take((an_order("b"),))
    start = await shelf.wants("b")
    start.cancel()
    await never(lambda: "acme/b" in shelf.transfers.interrupted)


async def test_a_failure_that_may_pass_ends_a_start_only_after_a_few_tries(shelf: Shelf) -> None:
    start = await shelf.wants("a")
    for failures in range(1, 4):
        await eventually(lambda: shelf.transfers.running() == {"acme/a"})
        shelf.transfers.fail("acme/a")
        await shelf.has_failed(failures)
        shelf.leap(30.0)
    with pytest.raises(ModelUnavailable, match=r"the line went dead \(tried 3 times\)"):
        await start


async def test_a_final_failure_ends_a_start_at_once(shelf: Shelf) -> None:
    start = await shelf.wants("a")
    shelf.transfers.fail("acme/a", "there is no such model", is_retryable=False)
    with pytest.raises(ModelUnavailable, match="there is no such model"):
        await start


async def test_an_order_is_tried_again_by_itself_for_ever(shelf: Shelf) -> None:
    shelf.files.take((an_order("a"),))
    for failures in range(1, 6):
        await eventually(lambda: shelf.transfers.running() == {"acme/a"})
        shelf.transfers.fail("acme/a")
        await shelf.has_failed(failures)
        waiting = await shelf.stands("a", FilesState.WAITING)
        assert waiting.detail == "the line went dead; it is tried again by itself"
        shelf.leap(400.0)
    await eventually(lambda: shelf.transfers.running() == {"acme/a"})


async def test_a_failed_order_is_tried_again_when_somebody_asks(shelf: Shelf) -> None:
    shelf.files.take((an_order("a"),))
    await eventually(lambda: shelf.transfers.running() == {"acme/a"})
    shelf.transfers.fail("acme/a", "the token is wrong", is_retryable=False)
    failed = await shelf.stands("a", FilesState.FAILED)
    assert (failed.detail, failed.attempt) == ("the token is wrong", 1)
    shelf.leap(10_000.0)
    await never(lambda: shelf.transfers.running())
    shelf.files.take((an_order("a", attempt=2),))
    await eventually(lambda: shelf.transfers.running() == {"acme/a"})


async def test_what_a_replica_needs_interrupts_what_was_ordered_ahead_of_need(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, at_once=1)
    async with shelf.awake():
        shelf.files.take((an_order("a"), an_order("b")))
        await eventually(lambda: shelf.transfers.running() == {"acme/a"})
        start = asyncio.create_task(shelf.files.ensure(a_source("c"), "c"))
        await eventually(lambda: shelf.transfers.running() == {"acme/c"})
        shelf.transfers.finish("acme/c")
        await start
        await eventually(lambda: shelf.transfers.running() == {"acme/a"})


async def test_peers_of_the_orders_are_asked_also_for_replicas(shelf: Shelf) -> None:
    shelf.files.take((FileOrder(order_id="", name="a", source=a_source("a"), peers=(PEER,)),))
    await shelf.wants("a")
    assert shelf.transfers.begun[0].peers == (PEER,)


async def test_weights_on_the_disk_are_used_and_never_deleted(shelf: Shelf) -> None:
    there = shelf.disk / "acme" / "a"
    there.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (there / name).write_text("{}")
    shelf.files.take((an_order("a"),))
    ready = await shelf.stands("a", FilesState.READY)
    assert (ready.is_adopted, ready.path) == (True, str(there))
    assert await shelf.files.ensure(a_source("a"), "a") == str(there)
    assert shelf.transfers.begun == []

    shelf.files.take((an_order("a", FileWish.REMOVE),))
    await eventually(lambda: shelf.model("a") is None)
    assert (there / "model.safetensors").exists()


async def test_a_path_on_the_node_is_ready_when_it_is_there(shelf: Shelf) -> None:
    source = ModelSource(kind=SourceKind.PATH, uri=str(shelf.disk / "weights.gguf"))
    order = FileOrder(order_id="ord_1", name="mine", source=source)
    shelf.files.take((order,))
    await eventually(lambda: [one.state for one in shelf.files.states()] == [FilesState.FAILED])
    assert "does not exist" in shelf.files.states()[0].detail
    (shelf.disk / "weights.gguf").write_text("12345")
    shelf.files.look_soon()
    await eventually(lambda: [(one.state, one.total_bytes) for one in shelf.files.states()] == [(FilesState.READY, 5)])
    shelf.files.take((FileOrder(order_id="ord_1", name="mine", source=source, wish=FileWish.REMOVE),))
    await eventually(lambda: shelf.files.states() == ())
    assert (shelf.disk / "weights.gguf").exists()


async def test_names_and_use_outlive_the_agent(shelf: Shelf) -> None:
    await shelf.has("a")
    shelf.used.add(source_key(a_source("a")))
    shelf.files.look_soon()
    await eventually(lambda: shelf.used_after_publishing_s() > 0)
    shelf.leap(100.0)
    shelf.used.clear()
    shelf.files.look_soon()
    await eventually(lambda: shelf.used_after_publishing_s() > 99)
    again = shelf.a_node()
    async with running(again.run(frozenset)):
        await eventually(lambda: again.is_looked_at)
        (model,) = again.states()
    assert (model.name, model.state) == ("a", FilesState.READY)
    assert model.used_at > model.since


async def test_cleaning_tells_first_and_deletes_only_what_nobody_has(shelf: Shelf) -> None:
    await shelf.has("used", "ordered", "idle")
    shelf.used.add(source_key(a_source("used")))
    shelf.files.take((an_order("ordered"),))
    shelf.files.look_soon()
    shelf.leap(100.0)
    nothing = await shelf.cleaning.clean(CleanStore(unused_for_s=200.0))
    assert nothing.models == ()

    dry = await shelf.cleaning.clean(CleanStore(unused_for_s=50.0))
    assert [model.name for model in dry.models] == ["idle"]
    assert dry.freed_bytes == len("the weights of acme/idle")
    assert len(shelf.store.list()) == 3
    assert (await shelf.cleaning.clean(CleanStore(keys=(source_key(a_source("used")),), is_dry_run=False))).models == ()

    done = await shelf.cleaning.clean(CleanStore(unused_for_s=50.0, is_dry_run=False))
    assert [model.name for model in done.models] == ["idle"]
    assert done.freed_bytes > 0
    await eventually(lambda: shelf.model("idle") is None)
    assert {found.manifest.source.uri for found in shelf.store.list()} == {"acme/used", "acme/ordered"}

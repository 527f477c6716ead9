"""What a node does for orders and replicas that want model files: fetched, paused, given up, tried again, kept."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.contracts.provisioning import FileOrder, FilesState, FileWish, Peer
from roundhouse_common.model_sources import source_key
from roundhouse_node_agent.domain.errors import ModelUnavailable
from roundhouse_node_agent.models.collector import FilesCollector
from tests.support.eventually import eventually, never
from tests.support.model_shelf import Shelf, a_source, an_order
from tests.support.tasks import running

PEER = Peer(node_id="nod_2", url="http://127.0.0.1:1", token="t")


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
    shelf.transfers.progress("acme/a", 0, 0, "asking the hub")
    asking = shelf.model("a")
    assert asking is not None
    assert asking.detail == "asking the hub"
    shelf.transfers.progress("acme/a", 40, 100)
    told = shelf.model("a")
    assert told is not None
    assert (told.stored_bytes, told.total_bytes, told.order_id, told.name) == (40, 100, "ord_a", "a")
    assert told.detail == ""
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
    start = asyncio.create_task(shelf.files.ensure(a_source("a"), "a"))
    await never(lambda: start.done() or bool(shelf.transfers.running()), for_s=0.3)

    shelf.files.take((an_order("a"),))
    await eventually(lambda: shelf.transfers.running() == {"acme/a"})
    shelf.transfers.finish("acme/a")
    await shelf.stands("a", FilesState.READY)
    assert Path(await start).read_text() == "the weights of acme/a"


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


async def test_a_transfer_leaves_room_for_those_that_began_before_it(shelf: Shelf) -> None:
    shelf.files.take((an_order("a"), an_order("b")))
    await shelf.fetches("a")
    await never(lambda: "acme/b" in shelf.transfers.running())
    shelf.transfers.progress("acme/a", 30, 100)
    await shelf.fetches("b")
    assert [order.limits.reserved_bytes for order in shelf.transfers.begun] == [0, 70]


async def test_peers_of_the_orders_are_asked_also_for_replicas(shelf: Shelf) -> None:
    shelf.files.take((FileOrder(order_id="", name="a", source=a_source("a"), peers=(PEER,)),))
    await shelf.wants("a")
    assert shelf.transfers.begun[0].peers == (PEER,)


async def test_a_fetch_from_afar_begins_anew_when_a_node_turns_out_to_have_the_files(shelf: Shelf) -> None:
    start = await shelf.wants("a")
    shelf.files.take((FileOrder(order_id="", name="a", source=a_source("a"), peers=(PEER,)),))
    await eventually(lambda: [order.peers for order in shelf.transfers.begun] == [(), (PEER,)])
    shelf.transfers.finish("acme/a")
    assert await start
    assert shelf.transfers.interrupted == ["acme/a"]


async def test_a_commit_that_was_fetched_as_a_branch_is_not_fetched_again(shelf: Shelf) -> None:
    await shelf.has("a")
    path = await shelf.files.ensure(a_source("a", revision="c0ffee"), "a")
    assert Path(path).read_text() == "the weights of acme/a"
    shelf.files.take((an_order("b", source=a_source("a", revision="c0ffee")),))
    await eventually(lambda: {model.name for model in shelf.files.states()} == {"a", "b"})
    assert len(shelf.transfers.begun) == 1
    await shelf.wants_other(a_source("a", revision="other"))
    await shelf.wants_other(a_source("a", revision="c0ffee", patterns=("*.bin",)))


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


async def test_metrics_tell_what_was_fetched_what_failed_and_what_is_kept(shelf: Shelf) -> None:
    registry = CollectorRegistry()
    registry.register(FilesCollector(shelf.files))
    await shelf.has("a")
    shelf.files.take((an_order("b"), an_order("c")))
    await shelf.fetches("b")
    shelf.transfers.progress("acme/b", 0, 100)
    shelf.transfers.progress("acme/b", 60, 100)
    await shelf.fetches("c")
    shelf.transfers.fail("acme/c", is_retryable=False)
    await shelf.stands("c", FilesState.FAILED)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    assert value("roundhouse_model_fetched_bytes_total") == 60
    assert value("roundhouse_model_transfer_failures_total") == 1
    assert value("roundhouse_model_transfers_active") == 1
    assert [value("roundhouse_node_models", state=state) for state in ("ready", "fetching", "failed")] == [1, 1, 1]
    assert value("roundhouse_model_disk_free_bytes") == shelf.files.disk[1] > 0

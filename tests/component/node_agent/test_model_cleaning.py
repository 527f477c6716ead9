"""Cleaning up: what nobody has goes when somebody asks for it, leftovers go by themselves."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from roundhouse_common.contracts.provisioning import CleanStore, FilesState, FileWish
from roundhouse_common.model_sources import source_key
from roundhouse_node_agent.transfers.plan import FetchPlan, RemoteFile
from tests.support.eventually import eventually
from tests.support.model_shelf import Shelf, a_source, an_order
from tests.support.tasks import running

DAY_S = 86_400.0
A_FILE = RemoteFile(path="model.safetensors", size=100, urls=("http://127.0.0.1:9/x",))


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    shelf = Shelf(tmp_path)
    async with shelf.awake():
        yield shelf


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


async def test_parts_that_nobody_wants_go_after_a_week(shelf: Shelf) -> None:
    for name in ("wanted", "stale"):
        shelf.store.begin(FetchPlan(source=a_source(name), revision="", files=(A_FILE,), origin="a test"))
    shelf.files.take((an_order("wanted", FileWish.PAUSE),))
    await shelf.stands("stale", FilesState.PAUSED)
    shelf.leap(6 * DAY_S)
    await shelf.cleaning.drop_stale()
    assert len(shelf.store.unfinished()) == 2
    shelf.leap(2 * DAY_S)
    await shelf.cleaning.drop_stale()
    assert [left.source for left in shelf.store.unfinished()] == [a_source("wanted")]


async def test_where_unused_weights_are_is_forgotten_after_a_week_and_found_again(shelf: Shelf) -> None:
    there = shelf.disk / "acme" / "a"
    there.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (there / name).write_text("{}")
    path = await shelf.files.ensure(a_source("a"), "a")
    await shelf.stands("a", FilesState.READY)
    await shelf.cleaning.drop_stale()
    assert shelf.model("a") is not None
    shelf.leap(8 * DAY_S)
    await shelf.cleaning.drop_stale()
    await eventually(lambda: shelf.model("a") is None)
    assert (there / "model.safetensors").exists()
    assert await shelf.files.ensure(a_source("a"), "a") == path


async def test_what_a_crash_left_is_swept_when_the_agent_starts(shelf: Shelf, tmp_path: Path) -> None:
    await shelf.has("a")
    orphan = shelf.store.layout.blob("0" * 64)
    orphan.write_text("nothing refers to it")
    async with running(shelf.cleaning.run()):
        await eventually(lambda: not orphan.exists())
    assert len(shelf.store.list()) == 1

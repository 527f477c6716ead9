"""Orders for model files over REST: what nodes are told, peers, pauses, removal, live progress, cleaning up."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.contracts.provisioning import (
    CleanStore,
    EnvironmentState,
    FilesState,
    FileWish,
    NodeStore,
    StoreCleaned,
    TransferProgress,
)
from roundhouse_common.contracts.registry import CLEAN_STORE
from roundhouse_common.contracts.scheduler import Phase, Reason
from roundhouse_common.database import Database
from roundhouse_common.model_sources import source_key
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.rows import add
from roundhouse_scheduler.store.specs import take_specs
from tests.component.scheduler.running import Running, running
from tests.component.scheduler.test_engine_orders_rest import lines, report, told
from tests.component.scheduler.test_scheduler_store import AT, a_spec
from tests.support.provisioning import QWEN, a_store, an_environment, kept
from tests.support.scheduler import a_node, a_replica, a_version, an_inventory

KEY = source_key(QWEN)
ORDER = {"name": "qwen", "source": {"kind": "hugging-face", "uri": QWEN.uri}, "nodes": {"all": True}}
UPLOAD = ModelSource(kind=SourceKind.UPLOAD, uri="http://10.0.0.5:8801/api/v1/uploads/upl_1?token=s3cret")


@pytest_asyncio.fixture
async def scheduler(scheduler_db: Database) -> AsyncIterator[Running]:
    """Two nodes; on the second a replica of a model from the Hub is being started."""
    version = a_version(source=QWEN)
    async with scheduler_db.write() as session:
        await take_specs(session, [a_spec(version=version)], at=AT)
        for node_id, hostname in (("nod_1", "one"), ("nod_2", "two")):
            await add(session, tables.nodes, a_node(node_id, inventory=an_inventory(hostname=hostname)))
        held = a_replica(node_id="nod_2", phase=Phase.FETCHING, reason=Reason.FETCHING_MODEL, detail="fetching")
        await add(session, tables.replicas, held)
    async with running(scheduler_db) as started:
        await started.core.planner.step()
        started.core.stores.take({})
        yield started


async def hear(scheduler: Running, node_id: str, **changes: Any) -> None:
    """The node says how far it is."""
    values = {"stored_bytes": 1_200_000_000, "total_bytes": 4_500_000_000, "rate_bytes_s": 35e6, "left_s": 94.3}
    message = TransferProgress(node_id=node_id, key=KEY, origin="huggingface.co", **(values | changes))
    await scheduler.core.preparing.take_progress(message, (node_id,))


@pytest.mark.contract("A10")
async def test_nodes_are_told_to_fetch_and_from_whom(scheduler: Running) -> None:
    order = (await scheduler.post("/file-orders", ORDER)).json()
    assert (order["key"], order["wish"], order["source"]["uri"]) == (KEY, "fetch", QWEN.uri)
    first = await told(scheduler, "nod_1")
    assert first is not None
    assert [(item.order_id, item.wish, item.peers) for item in first.files] == [(order["id"], FileWish.FETCH, ())]
    await report(scheduler, a_store("nod_2", kept()))
    second = await told(scheduler, "nod_1")
    assert second is not None
    assert second.revision > first.revision
    (peer,) = second.files[0].peers
    assert (peer.node_id, peer.url, peer.token) == ("nod_2", "http://nod_2:9", "token-of-nod_2")
    own = await told(scheduler, "nod_2")
    assert own is not None
    assert own.files[0].peers == ()
    assert await lines(scheduler, "nod_1") == [
        ("node.files", "ordered", "the files of qwen, for all nodes", "user:usr_admin")
    ]


async def test_a_node_whose_replica_needs_files_is_told_who_has_them(scheduler: Running) -> None:
    assert await told(scheduler, "nod_2") is None
    await report(scheduler, a_store("nod_1", kept()))
    document = await told(scheduler, "nod_2")
    assert document is not None
    assert [(item.order_id, [peer.node_id for peer in item.peers]) for item in document.files] == [("", ["nod_1"])]
    await report(scheduler, a_store("nod_1", sequence=2))
    document = await told(scheduler, "nod_2")
    assert document is not None
    assert document.files == ()


async def test_a_node_that_falls_silent_is_no_peer(scheduler: Running) -> None:
    await scheduler.post("/file-orders", ORDER)
    await report(scheduler, a_store("nod_2", kept()))
    await told(scheduler, "nod_1")
    async with scheduler.db.write() as session:
        await session.execute(tables.nodes.update().where(tables.nodes.c.node_id == "nod_2").values(state="late"))
    scheduler.core.planner.mirror.doubt()
    await scheduler.core.planner.refresh()
    document = await told(scheduler, "nod_1")
    assert document is not None
    assert document.files[0].peers == ()


async def test_progress_is_live_while_the_node_tells_of_it(scheduler: Running) -> None:
    order = (await scheduler.post("/file-orders", ORDER)).json()
    await report(scheduler, a_store("nod_1", kept(state=FilesState.FETCHING, stored_bytes=5, total_bytes=9)))
    shown = (await scheduler.get(f"/file-orders/{order['id']}")).json()["on_nodes"][0]
    assert (shown["state"], shown["stored_bytes"], shown["rate_bytes_s"], shown["left_s"]) == ("fetching", 5, 0.0, None)
    await hear(scheduler, "nod_1")
    shown = (await scheduler.get(f"/file-orders/{order['id']}")).json()["on_nodes"][0]
    assert (shown["stored_bytes"], shown["rate_bytes_s"], shown["left_s"]) == (1_200_000_000, 35e6, 94.3)
    (row,) = (await scheduler.get("/model-files", name="qwen")).json()["items"]
    assert (row["hostname"], row["state"], row["rate_bytes_s"], row["origin"]) == (
        "one",
        "fetching",
        35e6,
        "huggingface.co",
    )
    assert (await scheduler.get("/model-files", node="nod_2")).json()["items"] == []


async def test_a_replica_shows_how_far_its_files_are(scheduler: Running) -> None:
    async def detail() -> str:
        return str((await scheduler.get("/replicas/rep_1")).json()["detail"])

    assert await detail() == "fetching"
    await hear(scheduler, "nod_2")
    assert await detail() == "1.2 of 4.5 GB, 35 MB/s, 94 s left"
    assert (await scheduler.get("/replicas")).json()["items"][0]["detail"] == "1.2 of 4.5 GB, 35 MB/s, 94 s left"
    status = (await scheduler.get("/deployments/dep_1/status")).json()
    assert "1.2 of 4.5 GB, 35 MB/s, 94 s left" in status["why"]


async def test_a_replica_shows_how_far_its_engine_is(scheduler: Running) -> None:
    async with scheduler.db.write() as session:
        installing = tables.replicas.update().where(tables.replicas.c.replica_id == "rep_1")
        await session.execute(installing.values(reason=Reason.INSTALLING_ENGINE))
    await hear(scheduler, "nod_2")
    assert (await scheduler.get("/replicas/rep_1")).json()["detail"] == "fetching"
    busy = an_environment(
        "", engine="llama.cpp", version="1.2", state=EnvironmentState.INSTALLING, step="installing 40 packages"
    )
    await report(scheduler, a_store("nod_2", engines=(busy,)))
    assert (await scheduler.get("/replicas/rep_1")).json()["detail"] == "llama.cpp 1.2: installing 40 packages"


async def test_an_order_is_paused_and_goes_on(scheduler: Running) -> None:
    order = (await scheduler.post("/file-orders", ORDER)).json()
    for verb, wish in (("pause", FileWish.PAUSE), ("resume", FileWish.FETCH)):
        answer = await scheduler.post(f"/file-orders/{order['id']}:{verb}")
        assert (answer.status_code, answer.json()["wish"]) == (202, wish.value)
        document = await told(scheduler, "nod_1")
        assert document is not None
        assert [item.wish for item in document.files] == [wish]
    again = await scheduler.post(f"/file-orders/{order['id']}:retry")
    assert again.json()["attempt"] == 2


@pytest.mark.parametrize(("files", "wish"), [("keep", FileWish.CANCEL), ("remove", FileWish.REMOVE)])
async def test_an_order_that_is_taken_back_ends_when_all_nodes_have_done_so(
    scheduler: Running, files: str, wish: FileWish
) -> None:
    order = (await scheduler.post("/file-orders", ORDER)).json()
    gone = await scheduler.delete(f"/file-orders/{order['id']}?files={files}")
    assert (gone.status_code, gone.json()["wish"]) == (202, wish.value)
    refused = await scheduler.post(f"/file-orders/{order['id']}:resume")
    assert (refused.status_code, refused.json()["code"]) == (409, "order_is_ending")
    for node_id in ("nod_1", "nod_2"):
        document = await told(scheduler, node_id)
        assert document is not None
        assert [item.wish for item in document.files if item.order_id] == [wish]
        await report(scheduler, a_store(node_id, orders_revision=document.revision))
        await told(scheduler, node_id)
    assert (await scheduler.get(f"/file-orders/{order['id']}")).status_code == 404


async def test_the_secret_of_an_upload_is_told_to_nodes_and_shown_to_nobody(scheduler: Running) -> None:
    wanted = ORDER | {"source": {"kind": "upload", "uri": "upl_1"}}
    refused = await scheduler.post("/file-orders", wanted)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "source.uri")
    async with scheduler.db.write() as session:
        spec = a_spec(version=a_version(2, source=UPLOAD), deployment_id="dep_2", name="two")
        await take_specs(session, [spec], at=AT)
    order = await scheduler.post("/file-orders", wanted)
    assert (order.status_code, order.json()["source"]["uri"]) == (201, "upl_1")
    assert "s3cret" not in order.text
    document = await told(scheduler, "nod_1")
    assert document is not None
    assert document.files[0].source == UPLOAD
    await report(scheduler, a_store("nod_1", kept(UPLOAD)))
    assert "s3cret" not in (await scheduler.get("/model-files")).text


@pytest.mark.parametrize(
    ("source", "field", "words"),
    [
        ({"kind": "path", "uri": "/models/a"}, "source.kind", "allowed are hugging-face, model-scope, http, upload"),
        ({"uri": "Qwen3"}, "source.uri", "state owner/name"),
        ({"uri": "../etc/passwd"}, "source.uri", "state owner/name"),
        ({"kind": "http", "uri": "ftp://a/b"}, "source.uri", "state the address of one file"),
        ({"kind": "http", "uri": "https://u:p@a/b"}, "source.uri", "leave out the user name"),
        ({"revision": "-x"}, "source.revision", "a branch, a tag or a commit"),
        ({"kind": "http", "uri": "https://a/b", "revision": "main"}, "source.revision", "only repositories"),
        ({"patterns": ["../*"]}, "source.patterns.0", "1 to 256 visible characters"),
        ({"kind": "http", "uri": "https://a/b", "patterns": ["*"]}, "source.patterns", "only repositories"),
        ({"sha256": "0" * 64}, "source.sha256", "http only"),
        ({"kind": "http", "uri": "https://a/b", "sha256": "xyz"}, "source.sha256", "64 hex digits"),
    ],
)
async def test_a_source_that_cannot_be_is_refused_by_its_field(
    scheduler: Running, source: dict[str, Any], field: str, words: str
) -> None:
    refused = await scheduler.post("/file-orders", ORDER | {"source": {"kind": "hugging-face", "uri": "a/b"} | source})
    assert refused.status_code == 422
    (error,) = [item for item in refused.json()["errors"] if item["field"] == field]
    assert words in error["message"]


async def test_a_node_is_asked_to_clean_up(scheduler: Running) -> None:
    asked: list[CleanStore] = []

    async def clean(question: CleanStore, _ids: tuple[str, ...]) -> StoreCleaned:
        asked.append(question)
        return StoreCleaned(models=(kept(stored_bytes=7),), freed_bytes=7)

    body = {"unused_for_s": 60.0, "keys": [KEY], "is_dry_run": False}
    away = await scheduler.post("/nodes/nod_1/model-files:clean", body)
    assert (away.status_code, away.json()["code"]) == (503, "node_unavailable")
    async with scheduler.node("nod_1") as bus:
        await bus.serve(CLEAN_STORE, clean, "nod_1")
        found = (await scheduler.post("/nodes/nod_1/model-files:clean", body)).json()
    assert asked == [CleanStore(unused_for_s=60.0, keys=(KEY,), is_dry_run=False)]
    assert (found["freed_bytes"], [item["name"] for item in found["models"]]) == (7, ["qwen"])
    assert (await scheduler.post("/nodes/nod_9/model-files:clean", {})).status_code == 404


def word(incarnation: str, sequence: int, *models: Any) -> NodeStore:
    return a_store("nod_1", *models, incarnation=incarnation, sequence=sequence)


async def test_only_the_newest_word_of_the_present_agent_counts(scheduler: Running) -> None:
    stores = scheduler.core.stores
    stores.take({"nod_1": word("one", 2, kept())})
    stores.take({"nod_1": word("one", 1)})
    stores.take({"nod_1": word("clone", 9)})
    stores.take({"nod_2": word("one", 9)})
    assert stores.current["nod_1"].sequence == 2
    assert stores.holders(KEY) == {"nod_1"}
    assert "nod_2" not in stores.current
    async with scheduler.db.write() as session:
        await session.execute(
            tables.nodes.update().where(tables.nodes.c.node_id == "nod_1").values(incarnation="clone")
        )
    scheduler.core.planner.mirror.doubt()
    await scheduler.core.planner.refresh()
    assert (stores.current["nod_1"].incarnation, stores.holders(KEY)) == ("clone", set())

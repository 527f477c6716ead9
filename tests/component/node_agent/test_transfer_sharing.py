"""Models that share files, transfers that meet, and nodes that copy from each other."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.contracts.provisioning import Peer
from roundhouse_common.model_sources import source_key
from roundhouse_node_agent.models.peers import FileServer as PeerServer
from roundhouse_node_agent.transfers.errors import StoreBusy
from roundhouse_node_agent.transfers.plan import RemoteFile
from tests.support.eventually import eventually
from tests.support.file_server import Content, Fault, FileServer, Fixed
from tests.support.transfers import PART, Transfers

BIG, SMALL = Content(12 * PART + 5), Content(900, seed=2)


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with FileServer() as running:
        yield running


@pytest.fixture
def transfers(tmp_path: Path) -> Transfers:
    return Transfers(tmp_path / "models")


def another(transfers: Transfers, name: str) -> Transfers:
    """Return transfers of another model into the same store."""
    other = Transfers(transfers.store.layout.root)
    other.source = ModelSource(kind=SourceKind.HUGGING_FACE, uri=name)
    return other


def files(server: FileServer, path: str = "big", content: Content = BIG) -> tuple[RemoteFile, RemoteFile]:
    return (
        RemoteFile(path="model.bin", size=content.size, urls=(f"{server.url}/{path}",), sha256=content.sha256),
        RemoteFile(path="config.json", size=SMALL.size, urls=(f"{server.url}/small",), git_sha1=SMALL.git_sha1),
    )


@pytest.fixture
def offered(server: FileServer) -> FileServer:
    server.put("big", BIG)
    server.put("small", SMALL)
    return server


def sent(server: FileServer, path: str = "big") -> int:
    return sum(end - start for start, end in server.ranges(path))


async def test_a_file_of_two_models_is_fetched_and_kept_once(offered: FileServer, transfers: Transfers) -> None:
    await transfers.fetched(*files(offered))
    second = another(transfers, "org/fork")
    await second.fetched(*files(offered))
    assert sent(offered) == BIG.size
    assert len(list(transfers.store.layout.blobs.iterdir())) == 2
    assert second.bytes_of("model.bin") == BIG.read(0, BIG.size)


async def test_a_model_that_is_there_is_not_asked_for(offered: FileServer, transfers: Transfers) -> None:
    await transfers.fetched(*files(offered))
    offered.served.clear()
    await transfers.fetched(*files(offered))
    assert (offered.served, transfers.plans) == ([], 1)


async def test_two_transfers_of_one_model_fetch_it_once(offered: FileServer, transfers: Transfers) -> None:
    await asyncio.gather(transfers.fetched(*files(offered)), transfers.fetched(*files(offered)))
    assert (sent(offered), transfers.plans) == (BIG.size, 1)


async def test_two_models_that_share_a_file_fetch_it_once_at_the_same_time(
    offered: FileServer, transfers: Transfers
) -> None:
    second = another(transfers, "org/fork")
    await asyncio.gather(transfers.fetched(*files(offered)), second.fetched(*files(offered)))
    assert sent(offered) == BIG.size
    assert second.bytes_of("model.bin") == transfers.bytes_of("model.bin")


async def test_what_is_whole_is_not_fetched_again_though_nobody_stated_its_digest(
    offered: FileServer, transfers: Transfers
) -> None:
    transfers.limited(patience_s=0.2)
    unknown = RemoteFile(path="first.bin", size=BIG.size, urls=(f"{offered.url}/big",))
    missing = RemoteFile(path="second.bin", size=SMALL.size, urls=(f"{offered.url}/small",))
    transfers.limited(connections=1)
    offered.put("small", SMALL, fault=lambda _: Fault(status=500))
    await transfers.refused(unknown, missing)
    offered.put("small", SMALL)
    await transfers.fetched(unknown, missing)
    assert sent(offered) == BIG.size
    assert transfers.bytes_of("first.bin") == BIG.read(0, BIG.size)


async def test_another_revision_reuses_what_is_the_same(offered: FileServer, transfers: Transfers) -> None:
    transfers.limited(patience_s=0.2, connections=1)
    offered.put("small", SMALL, fault=lambda _: Fault(status=500))
    await transfers.refused(*files(offered))
    transfers.revision = "two"
    offered.put("small", SMALL)
    stored = await transfers.fetched(*files(offered))
    assert stored.manifest.revision == "two"
    assert sent(offered) == BIG.size


@pytest.fixture
async def peer(tmp_path: Path, offered: FileServer) -> AsyncIterator[tuple[Transfers, Peer]]:
    """Another node that has the model."""
    has = Transfers(tmp_path / "peer")
    await has.fetched(*files(offered))
    offered.served.clear()
    async with PeerServer(has.store, host="127.0.0.1", port=0, address="127.0.0.1") as running:
        yield has, Peer(node_id="nod_2", url=running.url, token=running.token)


async def test_a_node_is_asked_before_the_source(
    offered: FileServer, transfers: Transfers, peer: tuple[Transfers, Peer]
) -> None:
    transfers.peers = (peer[1],)
    stored = await transfers.fetched(*files(offered))
    assert (offered.served, transfers.plans) == ([], 0)
    assert stored.manifest.revision == "one"
    assert transfers.bytes_of("model.bin") == BIG.read(0, BIG.size)


async def test_a_node_with_a_wrong_token_gives_nothing_and_the_source_does(
    offered: FileServer, transfers: Transfers, peer: tuple[Transfers, Peer]
) -> None:
    transfers.peers = (
        msgspec.structs.replace(peer[1], token="wrong"),
        Peer(node_id="n", url="http://127.0.0.1:1", token=""),
    )
    await transfers.fetched(*files(offered))
    assert (sent(offered), transfers.plans) == (BIG.size, 1)


async def test_what_a_node_cannot_give_comes_from_the_source(
    offered: FileServer, transfers: Transfers, tmp_path: Path
) -> None:
    other = Content(5 * PART, seed=6)
    offered.put("other", other)
    wanted = [
        *files(offered)[:1],
        RemoteFile(path="b", size=other.size, urls=(f"{offered.url}/other",), sha256=other.sha256),
    ]
    has = Transfers(tmp_path / "peer")
    await has.fetched(*wanted)
    offered.served.clear()
    damaged = has.store.layout.blob(BIG.sha256)
    damaged.chmod(0o600)
    damaged.write_bytes(Content(BIG.size, seed=8).read(0, BIG.size))
    async with PeerServer(has.store, host="127.0.0.1", port=0, address="127.0.0.1") as running:
        transfers.peers = (Peer(node_id="nod_2", url=running.url, token=running.token),)
        await transfers.fetched(*wanted)
    assert (sent(offered), sent(offered, "other")) == (BIG.size, 0)
    assert transfers.bytes_of("model.bin") == BIG.read(0, BIG.size)


async def test_parts_that_came_from_a_node_are_not_fetched_from_the_source(
    offered: FileServer, transfers: Transfers
) -> None:
    async with FileServer() as node:
        manifest = {
            "source": msgspec.to_builtins(transfers.source),
            "files": [{"path": "model.bin", "size": BIG.size, "sha256": BIG.sha256}],
        }
        node.put(f"blobs/{BIG.sha256}", BIG, fault=lambda number: Fault(status=404) if number > 6 else None)
        node.put(f"models/{transfers.key}", Fixed(msgspec.json.encode(manifest)))
        transfers.peers = (Peer(node_id="nod_2", url=node.url, token="t"),)
        transfers.limited(connections=1)
        await transfers.fetched(files(offered)[0])
        assert sent(offered) == BIG.size - 6 * PART
        assert transfers.bytes_of("model.bin") == BIG.read(0, BIG.size)


async def test_a_node_that_contradicts_the_stated_digest_is_not_believed(
    offered: FileServer, transfers: Transfers
) -> None:
    transfers.source = ModelSource(kind=SourceKind.HTTP, uri=f"{offered.url}/big", sha256=BIG.sha256)
    other = Content(BIG.size, seed=4)
    async with FileServer() as node:
        manifest = {
            "source": msgspec.to_builtins(transfers.source),
            "files": [{"path": "model.bin", "size": other.size, "sha256": other.sha256}],
        }
        node.put(f"blobs/{other.sha256}", other)
        node.put(f"models/{source_key(transfers.source)}", Fixed(msgspec.json.encode(manifest)))
        transfers.peers = (Peer(node_id="nod_2", url=node.url, token="t"),)
        await transfers.fetched(files(offered)[0])
    assert transfers.bytes_of("model.bin") == BIG.read(0, BIG.size)


async def test_a_model_cannot_be_removed_while_it_is_fetched(offered: FileServer, transfers: Transfers) -> None:
    transfers.limited(rate_bytes_s=BIG.size // 3, connections=1)
    running = asyncio.create_task(transfers.run(*files(offered)))
    await eventually(lambda: transfers.store.unfinished())
    with pytest.raises(StoreBusy, match="being fetched"):
        await asyncio.to_thread(transfers.store.remove, transfers.key)
    running.cancel()
    await asyncio.wait([running])
    await asyncio.to_thread(transfers.store.remove, transfers.key)
    assert transfers.store.unfinished() == ()
    assert not any(transfers.store.layout.partial.iterdir())

"""What a node offers to other nodes: whole files and manifests, to those who have its token."""

import asyncio
import hashlib
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.model_sources import source_key
from roundhouse_node_agent.models.peers import FileServer
from roundhouse_node_agent.transfers.manifest import Manifest
from roundhouse_node_agent.transfers.store import FileStore
from tests.support.eventually import eventually

SOURCE = ModelSource(kind=SourceKind.HUGGING_FACE, uri="acme/tiny")
KEY = source_key(SOURCE)
WEIGHTS = bytes(range(256)) * 64
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
LARGE = 64 * 1024**2


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    store = FileStore(tmp_path / "models")
    (tmp_path / "weights").write_bytes(WEIGHTS)
    store.copy_in(SOURCE, {"model.safetensors": tmp_path / "weights"}, "c0ffee")
    return store


@pytest.fixture
async def server(store: FileStore) -> AsyncIterator[FileServer]:
    async with FileServer(store, host="127.0.0.1", port=0, address="127.0.0.1", most_connections=2) as server:
        yield server


@pytest.fixture
async def peer(server: FileServer) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {server.token}"}
    async with aiohttp.ClientSession(server.url, headers=headers) as session:
        yield session


async def test_a_manifest_tells_what_a_model_is_made_of(peer: aiohttp.ClientSession) -> None:
    async with peer.get(f"/models/{KEY}") as answer:
        manifest = msgspec.json.decode(await answer.read(), type=Manifest)
    assert (manifest.source, manifest.revision) == (SOURCE, "c0ffee")
    assert [(file.path, file.size, file.sha256) for file in manifest.files] == [
        ("model.safetensors", len(WEIGHTS), SHA256)
    ]


async def test_a_file_comes_whole_or_in_ranges(peer: aiohttp.ClientSession) -> None:
    async with peer.get(f"/blobs/{SHA256}") as answer:
        assert (answer.status, await answer.read()) == (200, WEIGHTS)
    async with peer.get(f"/blobs/{SHA256}", headers={"Range": "bytes=100-199"}) as answer:
        assert (answer.status, await answer.read()) == (206, WEIGHTS[100:200])
        assert answer.headers["Content-Range"] == f"bytes 100-199/{len(WEIGHTS)}"
    async with peer.get(f"/blobs/{SHA256}", headers={"Range": f"bytes={len(WEIGHTS)}-"}) as answer:
        assert answer.status == 416


@pytest.mark.parametrize("given", ["", "Bearer wrong", "Basic Og==", "Bearer \udcff"])
async def test_strangers_get_nothing(server: FileServer, given: str) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    header = f"Authorization: {given}\r\n".encode("utf-8", "surrogateescape") if given else b""
    writer.write(f"GET /blobs/{SHA256} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode() + header + b"\r\n")
    answer = await reader.read()
    writer.close()
    assert b" 401 " in answer.split(b"\r\n")[0]
    assert WEIGHTS[:64] not in answer


@pytest.mark.parametrize(
    "path",
    [
        "/models/" + "0" * 32,
        "/models/..%2f..%2fnode.json",
        "/blobs/" + "0" * 64,
        "/blobs/..%2f..%2fnode.json",
        "/blobs/" + SHA256.upper(),
        "/",
        "/trees",
    ],
)
async def test_there_is_nothing_else(peer: aiohttp.ClientSession, path: str) -> None:
    async with peer.get(path) as answer:
        assert answer.status == 404


async def test_adopted_files_are_not_offered(peer: aiohttp.ClientSession, store: FileStore, tmp_path: Path) -> None:
    source = ModelSource(kind=SourceKind.HUGGING_FACE, uri="acme/mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.safetensors").write_bytes(b"unchecked")
    store.adopt(source, tmp_path / "mine")
    async with peer.get(f"/models/{source_key(source)}") as answer:
        assert answer.status == 404
        assert str(tmp_path) not in await answer.text()


async def test_only_so_many_files_are_sent_at_once(
    peer: aiohttp.ClientSession, store: FileStore, tmp_path: Path
) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(LARGE)
    source = ModelSource(kind=SourceKind.HTTP, uri="http://127.0.0.1/large")
    sha256 = store.copy_in(source, {"large": large}).manifest.files[0].sha256
    slow = [await peer.get(f"/blobs/{sha256}") for _ in range(2)]  # nobody reads: they stay under way
    async with peer.get(f"/blobs/{sha256}") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    slow[0].close()

    async def has_room() -> bool:
        async with peer.get(f"/blobs/{SHA256}") as answer:
            return answer.status == 200

    await eventually(has_room)
    slow[1].close()


async def test_a_port_that_is_taken_costs_the_offer_and_nothing_else(store: FileStore) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with FileServer(store, host="127.0.0.1", port=port, address="127.0.0.1") as server:
            assert server.url == ""


async def test_a_server_that_is_about_to_end_is_left_to_it(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    closed, may_end = threading.Event(), threading.Event()

    def close(runner: asyncio.Runner) -> None:
        close_runner(runner)
        closed.set()
        may_end.wait(10)

    close_runner = asyncio.Runner.close
    monkeypatch.setattr(asyncio.Runner, "close", close)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        async with FileServer(store, host="127.0.0.1", port=taken.getsockname()[1], address="127.0.0.1"):
            assert await asyncio.to_thread(closed.wait, 10)
            asyncio.get_running_loop().call_soon(may_end.set)


async def test_an_address_of_version_6_is_written_in_brackets(store: FileStore) -> None:
    async with FileServer(store, host="127.0.0.1", port=0, address="fd00::1") as server:
        assert server.url.startswith("http://[fd00::1]:")

"""The process that fetches: started, followed, cancelled, killed, and gone when nobody wants it any more."""

import asyncio
import shutil
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import psutil
import pytest

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.model_sources import source_key
from roundhouse_node_agent.transfers.errors import TransferFailed
from roundhouse_node_agent.transfers.messages import FetchOrder, Progress, TransferLimits
from roundhouse_node_agent.transfers.plan import RemoteFile
from roundhouse_node_agent.transfers.runner import CHILD, fetch
from roundhouse_node_agent.transfers.store import FileStore
from tests.support.certificates import own_certificate
from tests.support.eventually import eventually
from tests.support.file_server import Content, FileServer
from tests.support.tasks import running
from tests.support.transfers import Transfers

CONTENT = Content(3_000_000)
SLOWLY = TransferLimits(headroom_bytes=0, part_bytes=100_000, rate_bytes_s=600_000, connections=2)


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with FileServer() as started:
        yield started


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "models")


def an_order(server: FileServer, store: FileStore, limits: TransferLimits, uri: str = "") -> FetchOrder:
    known = server.put("model.gguf", CONTENT)
    source = ModelSource(kind=SourceKind.HTTP, uri=uri or known, sha256=CONTENT.sha256)
    return FetchOrder(source=source, root=str(store.layout.root), limits=limits)


def children() -> list[psutil.Process]:
    """Return the processes that fetch for this test."""
    mine = psutil.Process().children()
    return [child for child in mine if child.status() != psutil.STATUS_ZOMBIE and CHILD[-1] in child.cmdline()]


async def test_a_file_comes_with_progress_and_its_path(server: FileServer, store: FileStore) -> None:
    said: list[Progress] = []
    order = an_order(server, store, TransferLimits(headroom_bytes=0, part_bytes=100_000, rate_bytes_s=2_000_000))
    stored = await fetch(order, said.append)
    assert Path(stored.path).name == "model.gguf"
    assert Path(stored.path).read_bytes() == CONTENT.read(0, CONTENT.size)
    assert not [one.step for one in said if "another transfer" in one.step], "there was none to wait for"
    last = said[-1]
    assert (last.total_bytes, last.origin) == (CONTENT.size, "127.0.0.1")
    assert 0 < last.stored_bytes <= CONTENT.size
    assert [progress.stored_bytes for progress in said] == sorted(progress.stored_bytes for progress in said)
    assert last.rate_bytes_s > 0
    assert last.left_s >= 0


@pytest.mark.parametrize("part_bytes", [100_000, 2_000_000])
async def test_whoever_cancels_keeps_what_came_and_goes_on_from_there(
    server: FileServer, store: FileStore, part_bytes: int
) -> None:
    order = an_order(server, store, msgspec.structs.replace(SLOWLY, part_bytes=part_bytes))
    said: list[Progress] = []

    async def begin() -> None:
        await fetch(order, said.append)

    async with running(begin()):
        await eventually(lambda: said and said[-1].stored_bytes > 500_000, within_s=20)
    assert children() == []
    (begun,) = store.unfinished()
    assert begun.key == source_key(order.source)
    assert 500_000 < begun.stored_bytes < begun.total_bytes == CONTENT.size
    server.served.clear()
    await fetch(an_order(server, store, TransferLimits(headroom_bytes=0, part_bytes=50_000)), lambda _: None)
    asked = sum(end - start for start, end in server.ranges("model.gguf"))
    assert asked == CONTENT.size - begun.stored_bytes
    assert store.unfinished() == ()
    assert not any(store.layout.partial.iterdir())


async def test_a_killed_process_is_a_failure_that_may_pass(server: FileServer, store: FileStore) -> None:
    fetching = asyncio.create_task(fetch(an_order(server, store, SLOWLY), lambda _: None))
    (child,) = await eventually(children, within_s=20)
    child.kill()
    with pytest.raises(TransferFailed, match="killed") as caught:
        await fetching
    assert caught.value.is_retryable


async def test_a_process_that_cannot_start_says_why(server: FileServer, store: FileStore) -> None:
    order = an_order(server, store, SLOWLY)
    with pytest.raises(TransferFailed, match="No module named nowhere"):
        await fetch(order, lambda _: None, command=(sys.executable, "-m", "nowhere"))


async def test_what_the_source_refuses_is_passed_on(server: FileServer, store: FileStore) -> None:
    order = an_order(server, store, SLOWLY, uri=f"{server.url}/no-such-file")
    with pytest.raises(TransferFailed, match="no-such-file") as caught:
        await fetch(order, lambda _: None)
    assert not caught.value.is_retryable


async def test_a_source_that_needs_no_fetching_is_said(server: FileServer, store: FileStore) -> None:
    source = ModelSource(kind=SourceKind.PATH, uri="/model")
    with pytest.raises(TransferFailed, match="path cannot be fetched"):
        await fetch(FetchOrder(source=source, root=str(store.layout.root)), lambda _: None)


async def test_a_store_that_cannot_be_written_is_said(server: FileServer, store: FileStore) -> None:
    store.layout.root.parent.mkdir(exist_ok=True)
    store.layout.root.write_text("a file is in the way")
    with pytest.raises(TransferFailed, match="models"):
        await fetch(an_order(server, store, SLOWLY), lambda _: None)


async def test_it_ends_when_its_standard_input_does(server: FileServer, store: FileStore) -> None:
    child = subprocess.Popen(CHILD, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(msgspec.json.encode(an_order(server, store, SLOWLY)) + b"\n")
    child.stdin.flush()
    await asyncio.to_thread(child.stdout.readline)
    child.stdin.close()
    await eventually(lambda: child.poll() is not None)
    child.stdout.close()
    assert child.returncode == 3


def _can_mount() -> bool:
    found = shutil.which("unshare")
    return (
        found is not None and subprocess.run([found, "-rm", "true"], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.skipif(not _can_mount(), reason="no user namespaces here")
async def test_a_disk_that_becomes_full_is_said(server: FileServer, store: FileStore) -> None:
    """A file system of its own, of 1 MB, that the process sees and nobody else."""
    store.layout.root.mkdir()
    script = f"mount -t tmpfs -o size=1m none {store.layout.root} && exec {' '.join(CHILD)}"
    limits = TransferLimits(headroom_bytes=-CONTENT.size, part_bytes=100_000)
    with pytest.raises(TransferFailed, match=r"disk became full at .* make room there") as caught:
        await fetch(an_order(server, store, limits), lambda _: None, command=("unshare", "-rm", "sh", "-c", script))
    assert not caught.value.is_retryable


async def test_an_authority_of_one_s_own_is_named_in_the_environment(
    store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = own_certificate(tmp_path / "own.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    limits = TransferLimits(headroom_bytes=0, part_bytes=100_000)
    async with FileServer(tls=context) as server:
        stated = RemoteFile(path="m", size=CONTENT.size, urls=(server.put("m", CONTENT),), sha256=CONTENT.sha256)
        refused = await Transfers(store.layout.root).refused(stated)
        assert "not trusted on this node; name your authority in SSL_CERT_FILE" in refused.message
        assert not refused.is_retryable
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        stored = await fetch(an_order(server, store, limits), lambda _: None)
        assert stored.size_bytes == CONTENT.size

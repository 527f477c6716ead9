"""A large file is brought to a catalog that is a process of its own: the client leaves, the catalog is killed."""

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.component.catalog.test_catalog_service import Process, a_process
from tests.support.eventually import eventually
from tests.support.nats import NatsServer

MIB = 1024 * 1024
SIZE = 100 * MIB
_WAITS_FOR_EVER = httpx.Timeout(60.0)


class Bringing:
    """One file on its way to one upload."""

    def __init__(self, content: bytes, directory: Path) -> None:
        self.content = content
        self.upload_id = ""
        self._uploads = directory / "catalog" / "uploads"

    @property
    def path(self) -> str:
        return f"/api/v1/uploads/{self.upload_id}/files/big/model.gguf"

    def stored(self) -> int:
        """Return how many bytes are on the disk."""
        return sum(file.stat().st_size for file in self._uploads.glob("upl_*/*.part"))

    async def begin(self, process: Process) -> None:
        digest = hashlib.sha256(self.content).hexdigest()
        files = [{"path": "big/model.gguf", "size": len(self.content), "sha256": digest}]
        self.upload_id = (await process.http.post("/api/v1/uploads", json={"files": files})).json()["id"]

    async def offset(self, process: Process) -> int:
        return int((await process.http.head(self.path)).headers["upload-offset"])

    async def settled(self, process: Process) -> int:
        """Return where the file ends once no request writes it any more: a piece without bytes is taken then."""
        headers = {"content-range": f"bytes */{len(self.content)}"}
        answer = await process.http.put(self.path, content=b"", headers=headers)
        return int(answer.headers["upload-offset"]) if answer.status_code == 200 else 0

    async def send(self, process: Process, start: int, *, until: int) -> httpx.Response:
        """Send from a byte on; at `until` fall silent, and keep the request open."""

        async def pieces() -> AsyncIterator[bytes]:
            for at in range(start, until, MIB):
                yield self.content[at : min(at + MIB, until)]
            if until < len(self.content):
                await asyncio.Event().wait()

        last = len(self.content) - 1
        headers = {"content-range": f"bytes {start}-{last}/{last + 1}", "content-length": str(last + 1 - start)}
        return await process.http.put(self.path, content=pieces(), headers=headers, timeout=_WAITS_FOR_EVER)

    async def send_some(
        self, process: Process, start: int, *, until: int, cut: Callable[[], object] = lambda: None
    ) -> None:
        """Send up to a byte, wait until it is on the disk, then cut it off; the client leaves in any case."""
        sending = asyncio.create_task(self.send(process, start, until=until))
        await eventually(lambda: self.stored() >= until - MIB, within_s=30)
        cut()
        sending.cancel()
        with pytest.raises((httpx.TransportError, asyncio.CancelledError)):
            await sending


def read_token(directory: Path) -> str:
    with closing(sqlite3.connect(directory / "catalog" / "catalog.db")) as db:
        [(token,)] = db.execute("SELECT read_token FROM uploads").fetchall()
    return str(token)


@pytest.mark.process
@pytest.mark.contract("A25")
@pytest.mark.timeout(300)
async def test_a_large_upload_survives_its_client_and_its_catalog(tmp_path: Path, nats_server: NatsServer) -> None:
    content = b"GGUF" + hashlib.shake_128(b"weights").digest(SIZE - 4)
    bringing = Bringing(content, tmp_path)
    async with a_process(tmp_path, nats_server) as process:
        await bringing.begin(process)
        await bringing.send_some(process, 0, until=30 * MIB)
        first = await eventually(lambda: bringing.settled(process), within_s=10)
        assert 29 * MIB <= first <= 30 * MIB
        await bringing.send_some(process, first, until=70 * MIB, cut=process.child.kill)
    async with a_process(tmp_path, nats_server) as process:
        third = await bringing.offset(process)
        assert 69 * MIB <= third <= 70 * MIB
        done = await bringing.send(process, third, until=len(content))
        assert (done.status_code, done.json()["is_whole"]) == (200, True)
        del process.http.headers["authorization"]
        token = {"token": read_token(tmp_path)}
        listed = (await process.http.get(f"/api/v1/uploads/{bringing.upload_id}", params=token)).json()
        assert [file["path"] for file in listed["files"]] == ["big/model.gguf"]
        fetched = await process.http.get(bringing.path, params=token, timeout=_WAITS_FOR_EVER)
        assert hashlib.sha256(fetched.content).digest() == hashlib.sha256(content).digest()
        tail = await process.http.get(bringing.path, params=token, headers={"range": f"bytes={SIZE - 10}-"})
        assert (tail.status_code, tail.content) == (206, content[-10:])
    assert token["token"] not in (tmp_path / "log").read_text()

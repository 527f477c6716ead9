"""How fast a node fetches model files: `scripts/bench transfer --gigabytes 2 --rounds 5`.

A node's own file server offers one file of the given size; the peer is curl, which takes the same file from the same
server over one connection. A transfer ends with the file synced to the disk and its SHA-256 checked, so curl is timed
twice: alone, and with the `sync` and the `sha256sum` that would make it the same. Starting the process is part of all
times. Server and clients share the machine.
"""

import argparse
import asyncio
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.contracts.provisioning import Peer
from roundhouse_node_agent.models.peers import FileServer
from roundhouse_node_agent.transfers.messages import FetchOrder, TransferLimits
from roundhouse_node_agent.transfers.runner import fetch
from roundhouse_node_agent.transfers.store import FileStore
from tests.support.file_server import Content

_SOURCE = ModelSource(kind=SourceKind.HUGGING_FACE, uri="bench/model")
_PIECE = 8 * 1024 * 1024


@dataclass(frozen=True)
class Took:
    seconds: float
    cpu_s: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench transfer", description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--connections", type=int, default=8, metavar="N")
    parser.add_argument("--directory", type=Path, help="on the disk to be measured; default: where temporary files go")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="roundhouse-bench-", dir=asked.directory) as directory:
        asyncio.run(_measure(Path(directory), round(asked.gigabytes * 1e9), asked.rounds, asked.connections))


async def _measure(directory: Path, size: int, rounds: int, connections: int) -> None:
    store = FileStore(directory / "offered")
    offered = await asyncio.to_thread(_offer, store, directory / "file", Content(size))
    async with FileServer(store, host="127.0.0.1", port=0, address="127.0.0.1") as server:
        bench = _Bench(directory, server, offered, connections)
        alone, same, own = [], [], []
        for _ in range(rounds):  # in turn, so that whatever else goes on meets all of them
            alone.append(await bench.timed(bench.curl))
            same.append(await bench.timed(bench.curl_synced_and_checked))
            own.append(await bench.timed(bench.transfer))
    _print("curl", alone, size)
    _print("curl, sync, sha256sum", same, size)
    _print(f"a transfer, {connections} connections", own, size)
    ratio = _median(own) / _median(alone), _median(own) / _median(same)
    print(f"time against curl {ratio[0]:.2f}, against curl that syncs and checks {ratio[1]:.2f}")


def _offer(store: FileStore, path: Path, content: Content) -> str:
    """Put the file into the store of the node that offers it; return its digest."""
    with path.open("wb") as file:
        for start in range(0, content.size, _PIECE):
            file.write(content.read(start, min(start + _PIECE, content.size)))
    stored = store.copy_in(_SOURCE, {"model.bin": path})
    path.unlink()
    return stored.manifest.files[0].sha256


class _Bench:
    def __init__(self, directory: Path, server: FileServer, sha256: str, connections: int) -> None:
        self._target = directory / "target"
        self._server = server
        self._sha256 = sha256
        self._limits = TransferLimits(connections=connections, headroom_bytes=0)

    async def timed(self, act: Callable[[], Awaitable[None]]) -> Took:
        """Run it on an empty directory; count the processor time of all processes that it started."""
        self._target.mkdir()
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        await act()
        seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        shutil.rmtree(self._target)
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Took(seconds, cpu_s)

    async def curl(self) -> None:
        url, token = f"{self._server.url}/blobs/{self._sha256}", self._server.token
        await _run("curl", "-sf", "-H", f"Authorization: Bearer {token}", "-o", str(self._target / "file"), url)

    async def curl_synced_and_checked(self) -> None:
        await self.curl()
        await _run("sync", str(self._target / "file"))
        await _run("sha256sum", str(self._target / "file"))

    async def transfer(self) -> None:
        peer = Peer(node_id="bench", url=self._server.url, token=self._server.token)
        order = FetchOrder(source=_SOURCE, root=str(self._target / "models"), peers=(peer,), limits=self._limits)
        await fetch(order, lambda _: None)


async def _run(*command: str) -> None:
    await asyncio.to_thread(subprocess.run, command, check=True, stdout=subprocess.DEVNULL)


def _median(took: list[Took]) -> float:
    return statistics.median(one.seconds for one in took)


def _print(what: str, took: list[Took], size: int) -> None:
    rates = sorted(size / 1e6 / one.seconds for one in took)
    cpu_s = statistics.median(one.cpu_s for one in took) / (size / 1e9)
    spread = f"{rates[0]:.0f} to {rates[-1]:.0f} of {len(rates)}"
    print(f"{what:30} {statistics.median(rates):6.0f} MB/s median, {spread}; {cpu_s:.2f} processor seconds per GB")


if __name__ == "__main__":
    main()

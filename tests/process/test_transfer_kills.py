"""A large file survives the death of whoever takes part in fetching it, and no part that was whole comes twice.

The process that fetches, the process that started it, and the server are killed with SIGKILL at seeded random points.
"""

import asyncio
import contextlib
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil
import pytest

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.model_sources import source_key
from roundhouse_node_agent.transfers.journal import bytes_of, look
from roundhouse_node_agent.transfers.messages import FetchOrder, TransferLimits
from roundhouse_node_agent.transfers.store import FileStore
from tests.support.eventually import eventually
from tests.support.file_server import Content
from tests.support.ports import free_port

_SUPPORT = Path(__file__).parent.parent / "support"
_MIB = 1024 * 1024


@dataclass(kw_only=True)
class Look:
    """What was whole at one moment, and how many answers had been begun by then."""

    parts: set[int]
    answers: int


class Stage:
    """The three that can be killed, and what they leave."""

    def __init__(self, path: Path, content: Content, limits: TransferLimits) -> None:
        self.content = content
        self.limits = limits
        self.store = FileStore(path / "models")
        self.looks: list[Look] = []
        self.sha256 = content.sha256
        self._log = path / "served"
        self._order = path / "order.json"
        self._port = free_port()
        url = f"http://127.0.0.1:{self._port}/file.bin"
        self.source = ModelSource(kind=SourceKind.HTTP, uri=url, sha256=self.sha256)
        order = FetchOrder(source=self.source, root=str(self.store.layout.root), limits=limits)
        self._order.write_bytes(msgspec.json.encode(order))
        self.parent: subprocess.Popen[bytes] | None = None
        self.server: subprocess.Popen[bytes] | None = None
        self.child: psutil.Process | None = None

    @property
    def _journal(self) -> Path:
        return self.store.layout.journal(self.sha256)

    def answers(self) -> list[tuple[int, int]]:
        """Return what the server began to send, answer by answer."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [(int(start), int(end)) for start, end in (line.split() for line in lines)]

    async def start_server(self) -> None:
        script = str(_SUPPORT / "file_server.py")
        self.server = subprocess.Popen(
            [sys.executable, script, str(self._port), str(self._log), str(self.content.size), "1"]
        )
        await eventually(self._is_serving, within_s=20)

    def _is_serving(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
            return True
        return False

    async def start_parent(self) -> None:
        self.parent = subprocess.Popen([sys.executable, str(_SUPPORT / "transfer_parent.py"), str(self._order)])
        await self.find_child()

    async def find_child(self) -> None:
        assert self.parent is not None
        running, former = psutil.Process(self.parent.pid), self.child

        def another() -> list[psutil.Process]:
            return [child for child in running.children() if child != former]

        (self.child,) = await eventually(another, within_s=20)

    async def has_stored(self, share: float) -> bool:
        """Wait until so much of the file is whole; return whether it is still being fetched then."""
        wanted = share * self.content.size
        await eventually(lambda: self._whole_bytes() >= wanted or self._is_over(), within_s=300)
        return not self._is_over()

    def _is_over(self) -> bool:
        assert self.parent is not None
        return self.parent.poll() is not None

    def _whole_bytes(self) -> int:
        found = look(self._journal)
        return bytes_of(*found) if found is not None else 0

    def look(self) -> None:
        """Remember what must not be asked for again."""
        found = look(self._journal)
        self.looks.append(Look(parts=found[1] if found is not None else set(), answers=len(self.answers())))

    async def kill(self, victim: str) -> None:
        """Kill one of them; it is back right after."""
        assert self.parent is not None
        assert self.server is not None
        assert self.child is not None
        if victim == "server":
            self.server.kill()
            self.server.wait()
            self.look()
            await self.start_server()
            return
        if victim == "child":
            self.child.send_signal(signal.SIGKILL)
            await eventually(lambda: not _lives(self.child), within_s=10)
            self.look()
            await self.find_child()  # its parent starts another
            return
        self.parent.send_signal(signal.SIGKILL)
        self.parent.wait()
        await eventually(lambda: not _lives(self.child), within_s=10, why="the child outlives its parent")
        self.look()
        await self.start_parent()

    def end(self) -> None:
        for process in (self.parent, self.server):
            if process is not None:
                process.kill()
                process.wait()

    def fetched_again(self) -> list[tuple[int, int]]:
        """Return the answers that had bytes of parts which were whole before."""
        size = self.limits.part_bytes
        again = []
        for then in self.looks:
            for start, end in self.answers()[then.answers :]:
                if set(range(start // size, -(-end // size))) & then.parts:
                    again.append((start, end))
        return again


def _lives(process: psutil.Process | None) -> bool:
    return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@contextlib.contextmanager
def staged(path: Path, size: int, limits: TransferLimits) -> Iterator[Stage]:
    stage = Stage(path, Content(size), limits)
    try:
        yield stage
    finally:
        stage.end()


async def _survive(stage: Stage, *, seed: int, kills: int) -> None:
    rng = random.Random(seed)
    points = sorted(rng.uniform(0.02, 0.85) for _ in range(kills))
    await stage.start_server()
    await stage.start_parent()
    for point in points:
        if await stage.has_stored(point):  # on a busy machine the rest may have come since the last look
            await stage.kill(rng.choice(["child", "parent", "server"]))
    assert stage.parent is not None
    code = await asyncio.to_thread(stage.parent.wait, 300)
    assert code == 0
    _is_identical(stage)
    assert stage.fetched_again() == []
    assert len(stage.looks) >= kills - 1
    served = sum(end - start for start, end in stage.answers())
    print(f"{kills} kills; {served / stage.content.size:.3f} of the file was asked for")


def _is_identical(stage: Stage) -> None:
    found = stage.store.find(source_key(stage.source))
    assert found is not None
    with Path(found.path).open("rb") as file:
        for start in range(0, stage.content.size, 8 * _MIB):
            assert file.read(8 * _MIB) == stage.content.read(start, min(start + 8 * _MIB, stage.content.size))
        assert file.read() == b""


@pytest.mark.process
@pytest.mark.contract("A10")
@pytest.mark.parametrize("seed", [1, 2])
async def test_64_mb_survive_the_death_of_all_who_take_part(tmp_path: Path, seed: int) -> None:
    limits = TransferLimits(
        part_bytes=_MIB, rate_bytes_s=16_000_000, headroom_bytes=0, retry_s=0.05, patience_s=60.0, connections=4
    )
    with staged(tmp_path, 64_000_123, limits) as stage:
        await _survive(stage, seed=seed, kills=5)


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.contract("A10")
async def test_2_gb_survive_the_death_of_all_who_take_part(tmp_path: Path) -> None:
    limits = TransferLimits(part_bytes=16 * _MIB, headroom_bytes=0, retry_s=0.05, patience_s=120.0)
    with staged(tmp_path, 2_000_000_123, limits) as stage:
        await _survive(stage, seed=7, kills=15)

"""An agent that is killed in the middle of a fetch: nothing of it goes on, and the next one completes the fetch."""

import hashlib
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.contracts.provisioning import FileOrder, FilesState, StoredModel
from roundhouse_common.runtime import SystemClock
from tests.support.agent_process import AgentProcess
from tests.support.eventually import eventually
from tests.support.hub_server import HubServer
from tests.support.nats import NODE_A, NatsServer
from tests.support.scheduler_stub import SchedulerStub

pytestmark = pytest.mark.timeout(120)

_MIB = 1024**2
SOURCE = ModelSource(kind=SourceKind.HUGGING_FACE, uri="acme/tiny")
WEIGHTS = os.urandom(4 * _MIB) * 24
"""96 MiB: six of the parts that files are fetched in."""
CHILD = "roundhouse_node_agent.transfers.child"


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        server.add("acme/tiny", {"config.json": b"{}", "model.safetensors": WEIGHTS})
        yield server


@pytest.fixture
def agent(tmp_path: Path, nats_server: NatsServer, hub: HubServer) -> Iterator[AgentProcess]:
    process = AgentProcess(
        tmp_path,
        nats_server,
        hugging_face_endpoints=json.dumps([hub.url]),
        download_connections="2",
        downloads_at_once="1",
        download_rate_bytes_s=str(20 * _MIB),
        disk_headroom_bytes="0",
        models_dir=str(tmp_path / "another disk"),
    )
    yield process
    process.end()


@pytest.fixture
async def scheduler(nats_server: NatsServer) -> AsyncIterator[SchedulerStub]:
    seed_file = nats_server.seed_file(Service.SCHEDULER)
    stub = SchedulerStub(NatsBus(Service.SCHEDULER, url=nats_server.url, seed_file=seed_file, clock=SystemClock()))
    await stub.start()
    yield stub
    await stub.bus.close()


def children(models_dir: Path) -> list[int]:
    """Return the processes that fetch into this directory."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        try:
            is_child = CHILD in (process.info["cmdline"] or ())
            if is_child and any(str(models_dir) in file.path for file in process.open_files()):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


@pytest.mark.contract("A10")
async def test_a_killed_agent_goes_on_where_it_was(
    agent: AgentProcess, scheduler: SchedulerStub, hub: HubServer, tmp_path: Path
) -> None:
    models_dir = tmp_path / "another disk"
    agent.start()
    await eventually(lambda: scheduler.epochs, within_s=20)
    await scheduler.order(NODE_A, FileOrder(order_id="ord_1", name="tiny", source=SOURCE))
    await eventually(
        lambda: scheduler.progress and scheduler.progress[-1].stored_bytes > 40 * _MIB, within_s=40, every_s=0.05
    )
    assert children(models_dir)

    agent.signal(signal.SIGKILL)
    await agent.ended()
    await eventually(lambda: not children(models_dir), within_s=10)
    agent.start()

    async def is_whole() -> StoredModel:
        found = await scheduler.files(NODE_A, SOURCE)
        assert found is not None
        assert found.state is FilesState.READY, found
        return found

    whole = await eventually(is_whole, within_s=40)
    assert Path(whole.path).resolve().is_relative_to(models_dir)
    fetched = (Path(whole.path) / "model.safetensors").read_bytes()
    assert hashlib.sha256(fetched).digest() == hashlib.sha256(WEIGHTS).digest()
    assert hub.sent_bytes() < len(WEIGHTS) + 2 * 16 * _MIB + 4 * _MIB, "finished parts were fetched again"

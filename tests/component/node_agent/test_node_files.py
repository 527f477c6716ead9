"""Real agents, real transfers, a local hub: model files come to a node as ordered, and survive what goes wrong."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from roundhouse_common.bus.memory import MemoryBroker
from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.contracts.node import ObservedPhase, ReplicaReport
from roundhouse_common.contracts.provisioning import FileOrder, FilesState, FileWish, Peer, StoredModel
from roundhouse_common.contracts.scheduler import Desired, Reason
from roundhouse_node_agent.sources.source import SourceOptions
from roundhouse_node_agent.transfers.messages import TransferLimits
from tests.component.node_agent.conftest import NODE, Node
from tests.support.eventually import eventually
from tests.support.hub_server import HubServer
from tests.support.scheduler_stub import SMOLLM2, SchedulerStub, an_assignment

pytestmark = pytest.mark.timeout(90)

SOURCE = ModelSource(kind=SourceKind.HUGGING_FACE, uri="acme/tiny")
WEIGHTS = bytes(range(256)) * 4096 * 8
"""8 MiB."""
WHOLE = hashlib.sha256(WEIGHTS).hexdigest()
LIMITS = TransferLimits(part_bytes=512 * 1024, connections=2, headroom_bytes=0, retry_s=0.05, patience_s=2.0)
SLOW = msgspec.structs.replace(LIMITS, rate_bytes_s=3_000_000)
IN_FLIGHT = 2 * (LIMITS.connections + 1) * LIMITS.part_bytes
"""More than is lost by one interruption."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    with HubServer() as server:
        server.add("acme/tiny", {"config.json": b"{}", "model.safetensors": WEIGHTS})
        yield server


@pytest.fixture
def node(node: Node, hub: HubServer) -> Node:
    node.sources = SourceOptions(hugging_face_endpoints=(hub.url,))
    node.limits = LIMITS
    return node


@pytest.fixture
async def second(tmp_path: Path, broker: MemoryBroker, hub: HubServer) -> AsyncIterator[Node]:
    machine = Node(tmp_path / "second", broker, "nod_second")
    machine.sources = SourceOptions(hugging_face_endpoints=(hub.url,))
    machine.limits = LIMITS
    yield machine
    await machine.leave_nothing()


def an_order(wish: FileWish = FileWish.FETCH, **changes: Any) -> FileOrder:
    return FileOrder(**{"order_id": "ord_1", "name": "tiny", "source": SOURCE, "wish": wish, **changes})


async def stands(
    scheduler: SchedulerStub, state: FilesState, *, node_id: str = NODE, source: ModelSource = SOURCE
) -> StoredModel:
    async def look() -> StoredModel:
        found = await scheduler.files(node_id, source)
        assert found is not None
        assert found.state is state, found
        return found

    return await eventually(look, within_s=30.0)


async def has_some(scheduler: SchedulerStub, least_bytes: int = 1_600_000) -> None:
    await eventually(lambda: any(one.stored_bytes >= least_bytes for one in scheduler.progress), within_s=20.0)


def digest(model: StoredModel) -> str:
    return hashlib.sha256((Path(model.path) / "model.safetensors").read_bytes()).hexdigest()


async def begin_slowly(node: Node, scheduler: SchedulerStub) -> None:
    """Order the files, and return when some of them are there."""
    node.limits = SLOW
    await node.start()
    await scheduler.order(NODE, an_order())
    await has_some(scheduler)


async def a_peer(node: Node, scheduler: SchedulerStub) -> Peer:
    """Have a node fetch the files; return it as one to copy from."""
    await node.start()
    await scheduler.order(NODE, an_order())
    await stands(scheduler, FilesState.READY)
    store = await scheduler.store(NODE)
    assert store is not None
    return Peer(node_id=NODE, url=store.files_url, token=store.files_token)


async def is_told_gone(scheduler: SchedulerStub) -> bool:
    store = await scheduler.store(NODE)
    return store is not None and store.models == ()


async def in_phase(scheduler: SchedulerStub, phase: ObservedPhase) -> ReplicaReport:
    async def look() -> ReplicaReport:
        found = await scheduler.replica(NODE, "rep_1")
        assert found is not None
        assert found.phase is phase, f"{found.phase} {found.reason} {found.detail}"
        return found

    return await eventually(look, within_s=30.0)


@pytest.mark.contract("A10")
async def test_an_order_brings_the_files(node: Node, scheduler: SchedulerStub, hub: HubServer) -> None:
    await node.start()
    await scheduler.order(NODE, an_order())
    ready = await stands(scheduler, FilesState.READY)
    assert digest(ready) == WHOLE
    assert (ready.order_id, ready.name, ready.total_bytes) == ("ord_1", "tiny", len(WEIGHTS) + 2)
    store = await scheduler.store(NODE)
    assert store is not None
    assert store.orders_revision == 1
    assert store.files_url.startswith("http://127.0.0.1:")
    assert store.disk_total_bytes > store.disk_free_bytes > 0


async def test_a_pause_keeps_what_is_there_and_the_order_goes_on_from_it(
    node: Node, scheduler: SchedulerStub, hub: HubServer
) -> None:
    await begin_slowly(node, scheduler)
    await scheduler.order(NODE, an_order(FileWish.PAUSE))
    paused = await stands(scheduler, FilesState.PAUSED)
    assert 0 < paused.stored_bytes < len(WEIGHTS)
    await scheduler.order(NODE, an_order())
    assert digest(await stands(scheduler, FilesState.READY)) == WHOLE
    assert hub.sent_bytes() < len(WEIGHTS) + IN_FLIGHT, "finished parts were fetched again"


async def test_a_cancel_drops_what_is_not_whole(node: Node, scheduler: SchedulerStub) -> None:
    await begin_slowly(node, scheduler)
    await scheduler.order(NODE, an_order(FileWish.CANCEL))
    await eventually(lambda: node.store.unfinished() == () and not list((node.path / "models/partial").iterdir()))
    await eventually(lambda: is_told_gone(scheduler))


async def test_an_agent_that_died_goes_on_without_the_bus(
    node: Node, scheduler: SchedulerStub, hub: HubServer, broker: MemoryBroker
) -> None:
    await begin_slowly(node, scheduler)
    await node.die()
    begun = node.store.unfinished()[0].stored_bytes
    assert begun > 0
    broker.stop()
    node.limits = LIMITS
    await node.start()
    await eventually(lambda: len(node.store.list()) == 1, within_s=30.0)
    assert hub.sent_bytes() < len(WEIGHTS) + IN_FLIGHT, "finished parts were fetched again"
    broker.start()
    await eventually(lambda: scheduler.bus.is_connected)
    assert digest(await stands(scheduler, FilesState.READY)) == WHOLE


async def test_a_second_node_copies_from_the_first_and_does_not_ask_the_hub(
    node: Node, second: Node, scheduler: SchedulerStub, hub: HubServer
) -> None:
    peer = await a_peer(node, scheduler)
    asked = len(hub.asked)
    await second.start()
    await scheduler.order(second.node_id, an_order(peers=(peer,)))
    assert digest(await stands(scheduler, FilesState.READY, node_id=second.node_id)) == WHOLE
    assert len(hub.asked) == asked, hub.asked[asked:]


async def test_a_second_node_goes_on_from_the_hub_when_the_first_dies_in_the_middle(
    node: Node, second: Node, scheduler: SchedulerStub, hub: HubServer
) -> None:
    peer = await a_peer(node, scheduler)
    sent = hub.sent_bytes()
    second.limits = SLOW
    await second.start()
    scheduler.progress.clear()
    await scheduler.order(second.node_id, an_order(peers=(peer,)))
    await has_some(scheduler)
    assert hub.sent_bytes() == sent
    await node.die()
    assert digest(await stands(scheduler, FilesState.READY, node_id=second.node_id)) == WHOLE
    assert 0 < hub.sent_bytes() - sent < len(WEIGHTS)


async def test_a_wrong_token_is_no_peer(node: Node, second: Node, scheduler: SchedulerStub, hub: HubServer) -> None:
    peer = await a_peer(node, scheduler)
    sent = hub.sent_bytes()
    await second.start()
    stranger = msgspec.structs.replace(peer, token="guessed")
    await scheduler.order(second.node_id, an_order(peers=(stranger,)))
    assert digest(await stands(scheduler, FilesState.READY, node_id=second.node_id)) == WHOLE
    assert hub.sent_bytes() - sent >= len(WEIGHTS)


async def test_what_would_fill_the_disk_is_not_fetched(node: Node, scheduler: SchedulerStub, hub: HubServer) -> None:
    node.limits = msgspec.structs.replace(LIMITS, headroom_bytes=10**18)
    await node.start()
    await scheduler.order(NODE, an_order())

    async def is_refused() -> str:
        found = await scheduler.files(NODE, SOURCE)
        return found.detail if found is not None and found.state is not FilesState.FETCHING else ""

    assert "must stay free" in await eventually(is_refused, within_s=20.0)
    assert hub.sent_bytes("*model.safetensors*") == 0


@pytest.mark.contract("A11", "A10")
async def test_a_replica_waits_for_its_files_and_starts(node: Node, scheduler: SchedulerStub, hub: HubServer) -> None:
    source = ModelSource(kind=SourceKind.HTTP, uri=hub.add_file("smollm2.gguf", SMOLLM2))
    node.limits = msgspec.structs.replace(LIMITS, rate_bytes_s=60_000_000)
    await node.start()
    await eventually(lambda: scheduler.epochs)
    await scheduler.assign(NODE, an_assignment(source=source))
    fetching = await in_phase(scheduler, ObservedPhase.FETCHING)
    assert fetching.reason == Reason.FETCHING_MODEL
    await has_some(scheduler)
    await in_phase(scheduler, ObservedPhase.READY)
    ready = await stands(scheduler, FilesState.READY, source=source)
    assert (ready.is_in_use, ready.name) == (True, "smollm2")


async def test_a_replica_that_is_stopped_ends_the_fetching(
    node: Node, scheduler: SchedulerStub, hub: HubServer
) -> None:
    node.limits = SLOW
    await node.start()
    await eventually(lambda: scheduler.epochs)
    await scheduler.assign(NODE, an_assignment(source=SOURCE))
    await has_some(scheduler)
    stop = an_assignment(source=SOURCE, desired=Desired.STOP, reason=Reason.STOPPED_AS_ASKED)
    await scheduler.assign(NODE, stop)
    await in_phase(scheduler, ObservedPhase.STOPPED)
    left = await stands(scheduler, FilesState.PAUSED)
    assert left.stored_bytes > 0


async def test_a_model_that_does_not_exist_fails_the_start_with_its_cause(
    node: Node, scheduler: SchedulerStub, hub: HubServer
) -> None:
    await node.start()
    await eventually(lambda: scheduler.epochs)
    source = ModelSource(kind=SourceKind.HUGGING_FACE, uri="acme/nothing")
    await scheduler.assign(NODE, an_assignment(source=source))
    failed = await in_phase(scheduler, ObservedPhase.FAILED)
    assert failed.reason == Reason.MODEL_UNAVAILABLE
    assert "acme/nothing" in failed.detail

"""Who is asked what a model's files say: all nodes for files on their disks, a few for files that any can read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import msgspec
import pytest
import pytest_asyncio

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.contracts.models import InspectModel, ModelFacts, ModelFormat, ModelInspected
from roundhouse_common.contracts.registry import READ_MODEL_FACTS
from roundhouse_common.database import Database
from roundhouse_common.runtime import SystemClock
from roundhouse_scheduler.bus.inspection import ModelInspection
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.rows import add
from tests.component.scheduler.running import Running, running
from tests.support.provisioning import QWEN, a_store, kept
from tests.support.scheduler import a_node, an_inventory

ON_DISK = ModelSource(kind=SourceKind.PATH, uri="/models/smol.gguf")
FACTS = ModelFacts(format=ModelFormat.SAFETENSORS, architecture="Qwen3ForCausalLM", weight_bytes=7)
KNOWN = ModelInspected(facts=FACTS, revision="c0ffee", total_bytes=7)
GAPPED = ModelInspected(facts=msgspec.structs.replace(FACTS, gaps=("no config.json",)))
UNKNOWN = ModelInspected(error="it cannot be reached")
NODES = ("nod_1", "nod_2", "nod_3", "nod_4")


@dataclass
class Readers:
    """What each node answers; one that has no answer never does."""

    scheduler: Running
    answers: dict[str, ModelInspected] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def read(self, _question: InspectModel, ids: tuple[str, ...]) -> ModelInspected:
        self.asked.append(ids[0])
        if ids[0] not in self.answers:
            await asyncio.Event().wait()
        return self.answers[ids[0]]

    async def inspect(self, source: ModelSource, *, within_s: float = 5.0) -> ModelInspected:
        inspection = ModelInspection(
            self.scheduler.db,
            self.scheduler.bus,
            holders=self.scheduler.core.stores.holders,
            clock=SystemClock(),
            deadline_s=within_s,
            remote_deadline_s=within_s,
        )
        return await inspection.inspect(InspectModel(source=source), ("any",))


@pytest_asyncio.fixture
async def readers(scheduler_db: Database) -> AsyncIterator[Readers]:
    async with scheduler_db.write() as session:
        for node_id in NODES:
            await add(session, tables.nodes, a_node(node_id, inventory=an_inventory(hostname=f"host-{node_id[-1]}")))
    async with running(scheduler_db) as scheduler, AsyncExitStack() as stack:
        readers = Readers(scheduler)
        for node_id in NODES:
            bus = await stack.enter_async_context(scheduler.node(node_id))
            await bus.serve(READ_MODEL_FACTS, readers.read, node_id)
        yield readers


async def test_two_nodes_are_asked_and_the_first_good_answer_counts(readers: Readers) -> None:
    readers.answers = {"nod_2": KNOWN}
    assert await readers.inspect(QWEN) == KNOWN
    assert sorted(readers.asked) == ["nod_1", "nod_2"]


async def test_who_has_the_files_is_asked_first(readers: Readers) -> None:
    readers.scheduler.core.stores.take({"nod_4": a_store("nod_4", kept())})
    readers.answers = {"nod_4": KNOWN}
    assert await readers.inspect(QWEN) == KNOWN
    assert sorted(readers.asked) == ["nod_1", "nod_4"]


async def test_others_are_asked_when_these_cannot_reach_it(readers: Readers) -> None:
    readers.answers = {"nod_1": UNKNOWN, "nod_2": UNKNOWN, "nod_3": KNOWN}
    assert await readers.inspect(QWEN) == KNOWN


async def test_files_with_gaps_are_not_read_again_elsewhere(readers: Readers) -> None:
    readers.answers = {"nod_1": GAPPED, "nod_2": UNKNOWN, "nod_3": KNOWN}
    assert await readers.inspect(QWEN) == GAPPED
    assert sorted(readers.asked) == ["nod_1", "nod_2"]


async def test_files_on_a_disk_are_looked_for_on_every_node(readers: Readers) -> None:
    readers.answers = dict.fromkeys(NODES[:3], UNKNOWN) | {"nod_4": KNOWN}
    assert await readers.inspect(ON_DISK) == KNOWN
    assert sorted(readers.asked) == list(NODES)


@pytest.mark.parametrize("source", [QWEN, ON_DISK])
async def test_it_says_why_nobody_knows(readers: Readers, source: ModelSource) -> None:
    readers.answers = dict.fromkeys(NODES, UNKNOWN)
    found = await readers.inspect(source)
    assert found.facts is None
    assert all(f"host-{number}: it cannot be reached" in found.error for number in (1, 2, 3, 4))


async def test_it_ends_at_its_deadline(readers: Readers) -> None:
    found = await readers.inspect(QWEN, within_s=0.2)
    assert found.facts is None
    assert "2 nodes were not asked for lack of time" in found.error

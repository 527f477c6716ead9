"""Who is told of what, and when, in a fleet: only those whom it concerns, and many together."""

from collections.abc import AsyncIterator

import pytest_asyncio

from roundhouse_common.contracts.provisioning import NodeOrders
from roundhouse_common.database import Database
from roundhouse_common.runtime import SystemIds
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.provisioning import read_told
from roundhouse_scheduler.store.revision import next_revision
from roundhouse_scheduler.store.rows import add_all
from roundhouse_scheduler.store.standing_orders import place_order, told_nodes
from tests.component.scheduler.running import Running, running
from tests.support.provisioning import a_store, files_order, kept
from tests.support.scheduler import a_node

NODES = [f"nod_{number:03d}" for number in range(150)]


@pytest_asyncio.fixture
async def scheduler(scheduler_db: Database) -> AsyncIterator[Running]:
    """A fleet of which every node is to have the same files."""
    async with scheduler_db.write() as session:
        revision = await next_revision(session)
        await add_all(session, tables.nodes, [a_node(node_id) for node_id in NODES], revision=revision)
        nodes = await told_nodes(session)
        await place_order(session, files_order(), [], nodes, ids=SystemIds())
    async with running(scheduler_db) as started:
        await started.core.planner.step()
        started.core.stores.take({})
        await started.core.provisioning.look()
        yield started


async def revisions(scheduler: Running) -> dict[str, int]:
    async with scheduler.db.read() as session:
        return {node_id: item.revision for node_id, item in (await read_told(session)).items()}


async def peers(scheduler: Running) -> dict[str, set[str]]:
    def of(document: NodeOrders) -> set[str]:
        return {peer.node_id for item in document.files for peer in item.peers}

    documents = await scheduler.core.provisioning.current()
    return {node_id: of(document) for node_id, document in documents.items()}


async def test_everybody_is_told_who_has_the_files_and_then_of_more_together(scheduler: Running) -> None:
    provisioning = scheduler.core.provisioning
    scheduler.core.stores.take({NODES[0]: a_store(NODES[0], kept())})
    await provisioning.look()
    first = await revisions(scheduler)
    assert {node_id for node_id, found in (await peers(scheduler)).items() if found == {NODES[0]}} == set(NODES[1:])
    for node_id in NODES[1:20]:
        scheduler.core.stores.take({node_id: a_store(node_id, kept())})
        await provisioning.look()
    assert {node_id for node_id, at in (await revisions(scheduler)).items() if at != first[node_id]} == set(NODES[1:20])
    await provisioning.refresh()
    found = await peers(scheduler)
    assert all(len(found[node_id]) == 5 for node_id in NODES[20:])
    assert {peer for node_id in NODES[20:] for peer in found[node_id]} == set(NODES[:20])


async def test_a_node_that_reports_is_looked_at_alone(scheduler: Running) -> None:
    before = await revisions(scheduler)
    scheduler.core.stores.take({NODES[7]: a_store(NODES[7], kept(), files_url="")})
    await scheduler.core.provisioning.look()
    await scheduler.core.provisioning.look()
    assert await revisions(scheduler) == before

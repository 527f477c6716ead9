"""What people order of nodes and switches is in the audit with its values before and after, and the node's name."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from roundhouse_common.database import Database
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.rows import add
from roundhouse_scheduler.store.specs import take_specs
from tests.component.scheduler.running import Running, running
from tests.component.scheduler.test_engine_orders_rest import ORDER
from tests.component.scheduler.test_scheduler_store import AT, a_spec
from tests.support.audited import Told, told_to_audit
from tests.support.scheduler import a_node

pytestmark = pytest.mark.contract("E05")


@pytest_asyncio.fixture
async def scheduler(scheduler_db: Database) -> AsyncIterator[Running]:
    async with scheduler_db.write() as session:
        await add(session, tables.nodes, a_node("nod_1"))
        await take_specs(session, [a_spec(project_id="prj_1")], at=AT)
    async with running(scheduler_db) as started:
        yield started


async def told(scheduler: Running) -> list[Told]:
    return list(await told_to_audit(scheduler.db, tables.outbox))


async def test_orders_to_nodes_tell_what_was_and_what_is(scheduler: Running) -> None:
    host = a_node("nod_1").inventory.hostname
    await scheduler.post("/nodes/nod_1:cordon", {"reason": "new memory"})
    await scheduler.patch("/nodes/nod_1", {"labels": {"rack": "7"}, "zone": "b"})
    await scheduler.post("/nodes/nod_1:cordon", {"reason": "new memory"})
    cordoned, labelled = await told(scheduler)
    assert (cordoned.action, cordoned.object_id, cordoned.object_name) == ("node.cordon", "nod_1", host)
    assert cordoned.change == {"duty": ["active", "cordoned"], "duty_reason": ["", "new memory"]}
    assert (labelled.action, labelled.change) == ("node.change", {"labels": [{}, {"rack": "7"}], "zone": ["", "b"]})


async def test_orders_of_engines_and_switches_have_names_when_they_are_made(scheduler: Running) -> None:
    made = await scheduler.post("/engine-orders", ORDER | {"nodes": {"all": True}})
    assert made.status_code == 201, made.text
    switched = await scheduler.post("/switches", {"deployment_id": "dep_1"})
    await scheduler.post("/switches", {"deployment_id": "dep_1"})
    await scheduler.post(f"/switches/{switched.json()['id']}:cancel")
    ordered, asked, cancelled = await told(scheduler)
    assert (ordered.action, ordered.object_id) == ("engine-order.create", made.json()["id"])
    assert ordered.object_name.startswith("vllm ")
    assert (asked.action, asked.object_id, asked.object_name) == ("switch.create", switched.json()["id"], "chat")
    assert (cancelled.action, cancelled.change) == ("switch.cancel", {"is_cancelling": [False, True]})

"""The scheduler answers every request that can be made up from its OpenAPI document as the document says."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings

from roundhouse_common.contracts.scheduler import Phase, Reason
from roundhouse_common.database import Database
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.rows import add
from roundhouse_scheduler.store.specs import take_specs
from tests.component.scheduler.running import Running, running
from tests.component.scheduler.test_scheduler_store import AT, a_spec
from tests.support.api_documents import Case, document_of, hold_to_the_document, requests_of
from tests.support.scheduler import a_node, a_replica

KNOWN: dict[str, Any] = {
    "node_id": ["nod_1", "nod_2"],
    "replica_id": ["rep_1"],
    "deployment_id": ["dep_1"],
}
ENDLESS = "GET /api/v1/replicas/{replica_id}/log:follow"
JOINING = (
    "GET /api/v1/join-tokens",
    "POST /api/v1/join-tokens",
    "DELETE /api/v1/join-tokens/{token_id}",
    "POST /api/v1/nodes:join",
)
"""The scheduler here takes no new hosts."""


@pytest_asyncio.fixture
async def scheduler(scheduler_db: Database) -> AsyncIterator[Running]:
    """Two nodes, and a deployment with a replica."""
    async with scheduler_db.write() as session:
        await take_specs(session, [a_spec(replicas=2)], at=AT)
        for node_id in ("nod_1", "nod_2"):
            await add(session, tables.nodes, a_node(node_id))
        await add(
            session,
            tables.replicas,
            a_replica("rep_1", node_id="nod_1", phase=Phase.READY, reason=Reason.ENGINE_READY, is_serving=True),
        )
    async with running(scheduler_db) as up:
        yield up


@pytest.mark.contract("A02")
@given(case=requests_of(document_of("scheduler"), KNOWN, without=[ENDLESS, *JOINING]))
@settings(max_examples=200, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
async def test_every_answer_is_as_documented(scheduler: Running, case: Case) -> None:
    scheduler.http.headers.update(scheduler.headers())
    await hold_to_the_document(case, scheduler.http)


async def test_a_node_that_cannot_be_one_is_refused(scheduler: Running) -> None:
    for name in ("\x97", "a.b", "*"):
        answer = await scheduler.http.get(
            "/api/v1/replicas/rep_1/log", params={"node_id": name}, headers=scheduler.headers()
        )
        assert answer.status_code == 422, answer.text

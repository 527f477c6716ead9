"""OpenAI's own client reads usage and costs: its way to write lists, its groups, its pages."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai
import pytest
import pytest_asyncio

from roundhouse_common.contracts.money import NANO, PriceRecord, Rates
from roundhouse_common.contracts.usage import Operation
from roundhouse_common.database import Database
from roundhouse_common.pricing import PriceTable
from roundhouse_metering.store.ledger import enter
from tests.support.metering_api import Caller
from tests.support.usage import NOON, UsageRecords

pytestmark = pytest.mark.contract("F05")

DAY_S = 86_400
START = int(NOON) // DAY_S * DAY_S
BOOK = {"currency": "USD", "valid_from": "2026-01-01T00:00:00Z", "lines": [{"rates": {"per_request": NANO}}]}
RATES = Rates(per_request=NANO, input_per_million=0, output_per_million=0)
PRICES = PriceTable([PriceRecord(price_id="pri_1", book="b", version=1, currency="USD", valid_from=1.0, rates=RATES)])


@pytest_asyncio.fixture
async def client(caller: Caller, ledger_db: Database) -> AsyncIterator[openai.AsyncOpenAI]:
    """Seven requests of two projects, two keys and two models on two days, each for one dollar."""
    assert (await caller.send("POST", "/price-books/b/versions", BOOK)).status_code == 201
    one = UsageRecords()
    records = [
        *(one.next(admitted_at=NOON, project_id="prj_1", key_id="key_1", model_requested="small") for _ in range(3)),
        *(one.next(admitted_at=NOON, project_id="prj_2", key_id="key_2", model_requested="large") for _ in range(2)),
        one.next(admitted_at=NOON + DAY_S, project_id="prj_2", key_id="key_2", model_requested="large"),
        one.next(admitted_at=NOON, project_id="prj_1", key_id="key_1", operation=Operation.EMBEDDING),
    ]
    async with ledger_db.write() as session:
        await enter(session, records, recorded_at=NOON, prices=PRICES)
    app = caller.http._transport.app  # type: ignore[attr-defined]  # the same app, for the client's own kind of transport
    async with openai.AsyncOpenAI(
        api_key="",
        admin_api_key=caller.headers()["authorization"].removeprefix("Bearer "),
        base_url="http://metering/v1",
        http_client=httpx2.AsyncClient(transport=httpx2.ASGITransport(app)),
        max_retries=0,
    ) as made:
        yield made


async def test_usage_is_grouped_and_filtered_as_the_client_asks(client: openai.AsyncOpenAI) -> None:
    usage = client.admin.organization.usage
    page = await usage.completions(start_time=START, end_time=START + DAY_S, group_by=["project_id", "model"])
    results = [result for bucket in page.data for result in bucket.results]
    assert [(one.project_id, one.model, one.num_model_requests) for one in results] == [  # type: ignore[union-attr]
        ("prj_1", "small", 3),
        ("prj_2", "large", 2),
    ]
    mine = await usage.completions(
        start_time=START, end_time=START + DAY_S, project_ids=["prj_2"], models=["large", "none"]
    )
    assert [one.num_model_requests for one in mine.data[0].results] == [2]  # type: ignore[union-attr]


async def test_groups_that_tell_nothing_apart_here_are_null(client: openai.AsyncOpenAI) -> None:
    usage = client.admin.organization.usage
    page = await usage.completions(start_time=START, end_time=START + DAY_S, group_by=["batch", "service_tier"])
    (only,) = page.data[0].results
    assert (only.num_model_requests, only.batch, only.service_tier) == (5, None, None)  # type: ignore[union-attr]
    of_batches = await usage.completions(start_time=START, end_time=START + DAY_S, batch=True)
    assert of_batches.data[0].results == []


async def test_kinds_that_are_not_here_have_no_results(client: openai.AsyncOpenAI) -> None:
    usage = client.admin.organization.usage
    assert (await usage.moderations(start_time=START, end_time=START + DAY_S)).data[0].results == []
    assert (await usage.vector_stores(start_time=START, end_time=START + DAY_S)).data[0].results == []


async def test_costs_are_told_by_line_item_and_key_over_pages(client: openai.AsyncOpenAI) -> None:
    usage = client.admin.organization.usage
    found: list[tuple[Any, ...]] = []
    next_page: str | None = None
    pages = 0
    while pages == 0 or next_page:
        page = await usage.costs(
            start_time=START,
            end_time=START + 2 * DAY_S,
            limit=1,
            group_by=["line_item", "api_key_id"],
            page=next_page if next_page else openai.omit,
        )
        for bucket in page.data:
            for one in bucket.results:
                found.append((one.line_item, one.api_key_id, one.amount.value))  # type: ignore[union-attr]
        next_page, pages = page.next_page, pages + 1
    assert pages == 2
    assert sum(value for _, _, value in found) == 7.0
    assert ("large", "key_2", 2.0) in found
    assert ("large", "key_2", 1.0) in found
    large = await usage.costs(start_time=START, limit=2, end_time=START + 2 * DAY_S, line_items=["large"])
    assert [one.amount.value for bucket in large.data for one in bucket.results] == [2.0, 1.0]  # type: ignore[union-attr]

"""A crowd of clients at the edge of a hard budget, through three routers: it is never exceeded by a nano-unit."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from roundhouse_common.contracts.money import NANO, Rates
from tests.support.budget_records import budget
from tests.support.prices import price
from tests.support.redis_server import RedisServer
from tests.support.router_process import RouterProcess
from tests.support.running_router import TENANT, endpoint
from tests.support.scripted_engine import Engine, Exchange, answers, completion

pytestmark = pytest.mark.process

CLIENTS = 200
COST = 50 * NANO // 1_000_000
"""Of each request: 20 tokens in and 30 out, at 1 per million."""
PRICE = price(rates=Rates(input_per_million=NANO, output_per_million=NANO))
BODY = {"model": "tiny", "messages": [{"role": "user", "content": "x" * 40}], "max_tokens": 30}


@pytest.mark.contract("F05")
@pytest.mark.parametrize("is_shared", [True, False], ids=["3 routers and Redis", "1 router alone"])
async def test_a_hard_budget_is_spent_to_its_edge_and_not_beyond(
    tmp_path: Path, redis_server: RedisServer, is_shared: bool
) -> None:
    answering = answers(body=completion(prompt=20, output=30))

    async def slow(exchange: Exchange) -> None:
        await asyncio.sleep(0.02)
        await answering(exchange)

    amount = 100 * COST + COST // 2
    budgets = [budget(amount=amount, tenant_id=TENANT, scope_id=TENANT)]
    shared: dict[str, Any] = {"redis_url": redis_server.url, "limit_redis_timeout_s": "20"} if is_shared else {}
    async with Engine(slow) as engine, AsyncExitStack() as stack:
        around = [
            await stack.enter_async_context(
                RouterProcess(
                    tmp_path / f"router{number}", endpoint(engine.base_url), prices=[PRICE], budgets=budgets, **shared
                )
            )
            for number in range(3 if is_shared else 1)
        ]
        answered = await asyncio.gather(*(ask(around[number % len(around)]) for number in range(CLIENTS)))
        admitted = sum(status == 200 for status, _ in answered)
        refusals = [told for status, told in answered if status != 200]
        assert admitted * COST <= amount
        # The estimate of the prompt is some tokens above what is counted: in flight, that much is held too.
        while (await ask(around[0]))[0] == 200:
            admitted += 1
        assert admitted in (99, 100)
        assert len(engine.exchanges) == admitted
        assert {told["error"]["code"] for told in refusals} == {"insufficient_quota"}
        assert "`bud_1`" in refusals[0]["error"]["message"]


async def ask(router: RouterProcess) -> tuple[int, Any]:  # Any: JSON
    async with router.session.post("/v1/chat/completions", json=BODY) as answer:
        return answer.status, await answer.json()

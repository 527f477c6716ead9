"""A crowd of clients against limits on requests, tokens and concurrency at once: exactly the limit gets through."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from roundhouse_common.contracts.routing import LimitDimension as D
from roundhouse_common.contracts.routing import LimitRecord
from tests.support.eventually import eventually
from tests.support.limit_records import limit
from tests.support.redis_server import RedisServer
from tests.support.router_process import RouterProcess
from tests.support.running_router import endpoint
from tests.support.scripted_engine import Engine, Exchange, answers, completion

pytestmark = pytest.mark.process

CLIENTS = 200
BOUNDS: dict[str, Any] = {"requests_per_minute": 100, "tokens_per_minute": 10_000, "concurrent_requests": 5}
LIMITS = [limit("global", **BOUNDS), limit("tenant", D.TENANT, **BOUNDS), limit("key", D.KEY, **BOUNDS)]
REDIS = pytest.mark.parametrize("is_shared", [True, False], ids=["3 routers and Redis", "1 router alone"])


class Worker:
    """An engine that takes a moment for each request, and knows how many it had at once."""

    def __init__(self, *, prompt: int, output: int) -> None:
        self.running = self.most = self.done = 0
        self._answer = answers(body=completion(prompt=prompt, output=output))

    async def __call__(self, exchange: Exchange) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(0.02)
            await self._answer(exchange)
        finally:
            self.running -= 1
            self.done += 1


@dataclass
class Outcome:
    """What the clients saw."""

    admitted: int = 0
    busy: int = 0
    last: dict[str, str] = field(default_factory=dict)
    """Headers of the refusals that ended it."""
    strange: list[str] = field(default_factory=list)


@asynccontextmanager
async def routers(
    tmp_path: Path,
    engine: Engine,
    server: RedisServer | None,
    limits: list[LimitRecord],
    **settings: Any,  # Any: settings, which are texts; the keywords before them are other things
) -> AsyncIterator[list[RouterProcess]]:
    if server is not None:
        # The machine of a test may be too busy to answer in time; what happens then is tested elsewhere.
        settings = {"redis_url": server.url, "limit_redis_timeout_s": "20", **settings}
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                RouterProcess(tmp_path / f"router{number}", endpoint(engine.base_url), limits=limits, **settings)
            )
            for number in range(1 if server is None else 3)
        ]


async def client(router: RouterProcess, body: dict[str, Any], seen: Outcome) -> None:
    """Ask again and again, until it would have to wait for something else than a place."""
    while True:
        async with router.session.post("/v1/chat/completions", json=body) as answer:
            told: dict[str, Any] = await answer.json()
            if answer.status == 200:
                seen.admitted += 1
                continue
            if answer.status != 429 or told["error"]["code"] != "rate_limit_exceeded":
                seen.strange.append(f"{answer.status} {told}")
                return
            if "concurrent requests" not in told["error"]["message"]:
                seen.last = {name.lower(): value for name, value in answer.headers.items()}
                return
            seen.busy += 1
        await asyncio.sleep(0.2)


async def crowd(around: list[RouterProcess], body: dict[str, Any]) -> Outcome:
    seen = Outcome()
    began = time.monotonic()
    await asyncio.gather(*(client(around[number % len(around)], body, seen) for number in range(CLIENTS)))
    assert time.monotonic() - began < 55, "it took so long that the first requests may have left the minute"
    assert not seen.strange
    return seen


async def figure(around: list[RouterProcess], pattern: str) -> int:
    """Return the sum of a metric over all routers."""
    total = 0.0
    for router in around:
        async with router.session.get("/metrics") as answer:
            total += sum(float(number) for number in re.findall(rf"(?m)^{pattern} (\S+)$", await answer.text()))
    return round(total)


async def check_books(around: list[RouterProcess], seen: Outcome, worker: Worker, mode: str) -> None:
    """Refused requests have left no trace anywhere."""
    assert worker.done == seen.admitted
    assert worker.most <= BOUNDS["concurrent_requests"]
    assert await figure(around, "roundhouse_router_spool_depth") == seen.admitted
    decisions = rf'roundhouse_router_limiter_decisions_total{{mode="{mode}",outcome="%s"}}'
    assert await figure(around, decisions % "admitted") == seen.admitted
    assert await figure(around, decisions % "refused") >= CLIENTS
    assert await figure(around, "roundhouse_router_limiter_redis_lost_total") == 0


@pytest.mark.contract("D01")
@pytest.mark.contract("D02")
@pytest.mark.contract("D03")
@pytest.mark.contract("D04")
@REDIS
async def test_exactly_the_requests_of_the_limit_get_through(
    tmp_path: Path, redis_server: RedisServer, is_shared: bool
) -> None:
    worker = Worker(prompt=20, output=30)
    body = {"model": "tiny", "messages": [{"role": "user", "content": "x" * 40}], "max_tokens": 30}
    async with (
        Engine(worker) as engine,
        routers(tmp_path, engine, redis_server if is_shared else None, LIMITS) as around,
    ):
        seen = await crowd(around, body)
        assert seen.admitted == 100
        assert seen.busy > 0
        assert seen.last["x-ratelimit-remaining-requests"] == "0"
        assert seen.last["x-ratelimit-remaining-tokens"] == str(10_000 - 100 * 50)
        assert 0 < int(seen.last["retry-after"]) <= 61
        await check_books(around, seen, worker, "redis" if is_shared else "process")


@pytest.mark.contract("D02")
@pytest.mark.contract("D03")
@pytest.mark.contract("D04")
@REDIS
async def test_tokens_stop_at_the_limit_and_never_above(
    tmp_path: Path, redis_server: RedisServer, is_shared: bool
) -> None:
    worker = Worker(prompt=60, output=140)
    body = {"model": "tiny", "messages": [{"role": "user", "content": "x" * 400}], "max_tokens": 140}
    async with (
        Engine(worker) as engine,
        routers(tmp_path, engine, redis_server if is_shared else None, LIMITS) as around,
    ):
        seen = await crowd(around, body)
        # Whoever came last found too little left for its reservation, of which the prompt's part is an estimate. What
        # the last of a crowd were told may be of a moment when others were under way: now there is only one.

        async def is_all_settled() -> bool:
            await client(around[0], body, seen)
            return int(seen.last["x-ratelimit-remaining-tokens"]) == 10_000 - 200 * seen.admitted

        await eventually(is_all_settled)
        left = int(seen.last["x-ratelimit-remaining-tokens"])
        assert left == 10_000 - 200 * seen.admitted
        assert 0 <= left < 300
        await check_books(around, seen, worker, "redis" if is_shared else "process")


async def test_places_of_a_router_that_was_killed_come_back(tmp_path: Path, redis_server: RedisServer) -> None:
    async def silent(exchange: Exchange) -> None:
        await asyncio.Event().wait()

    places = [limit("key", D.KEY, concurrent_requests=2)]
    body = {"model": "tiny", "messages": []}
    async with (
        Engine(silent) as engine,
        routers(tmp_path, engine, redis_server, places, limit_lease_s="2") as (dying, living, _),
    ):
        asking = [asyncio.create_task(dying.session.post("/v1/chat/completions", json=body)) for _ in range(2)]
        await eventually(lambda: len(engine.exchanges) == 2)

        async def status() -> int:
            async with living.session.post("/v1/chat/completions", json=body) as answer:
                await answer.read()
                return answer.status

        assert await status() == 429
        dying.kill()
        await asyncio.gather(*asking, return_exceptions=True)
        engine.script = answers(body=completion())

        async def is_admitted() -> bool:
            return await status() == 200

        await eventually(is_admitted, within_s=10, every_s=0.1)

"""NATS, catalog, scheduler, metering and Redis are all down: a router starts, serves and forgets nothing."""

import re
from pathlib import Path
from typing import Any

import pytest

from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.routing import LimitDimension, ProviderFormat, ProviderRecord, RouteTarget
from tests.support.eventually import eventually, never
from tests.support.limit_records import limit
from tests.support.nats import NatsServer
from tests.support.redis_server import RedisServer
from tests.support.router_process import RouterProcess
from tests.support.running_router import Fleet, endpoint, route
from tests.support.scripted_engine import DONE, Engine, Exchange, answers, chunk, usage_chunk

pytestmark = pytest.mark.process

BOUND = 30
ENGINE = "/v1/chat/completions"


async def speaks(exchange: Exchange) -> None:
    """Answer whole or as a stream, as asked."""
    if not exchange.json.get("stream"):
        await answers()(exchange)
        return
    await exchange.head()
    await exchange.send(chunk("hello"))
    await exchange.send(usage_chunk(7, 1) + DONE)
    await exchange.end()


async def ask(router: RouterProcess, model: str = "tiny", **members: Any) -> tuple[int, str]:  # Any: JSON
    """Return the status, and the id of the usage record."""
    async with router.session.post(ENGINE, json={"model": model, "messages": [], **members}) as answer:
        await answer.read()
        return answer.status, answer.headers["x-request-id"]


async def figure(router: RouterProcess, name: str) -> float:
    async with router.session.get("/metrics") as answer:
        found = re.search(rf"(?m)^{name} (\S+)$", await answer.text())
    assert found, name
    return float(found[1])


@pytest.mark.contract("D03")
async def test_a_router_alone_in_the_world_serves_and_delivers_every_record_once(
    tmp_path: Path, nats_server: NatsServer, redis_server: RedisServer
) -> None:
    nats_server.kill()
    redis_server.kill()
    settings: dict[str, Any] = {
        "nats_url": nats_server.url,
        "nats_seed_file": str(nats_server.seed_file(Service.ROUTER)),
        "redis_url": redis_server.url,
    }
    async with Engine(speaks) as engine, Engine(speaks) as outside:
        provider = ProviderRecord(
            provider_id="prv_1",
            name="outside",
            tenant_id="ten_default",
            format=ProviderFormat.OPENAI,
            base_url=f"{outside.base_url}/v1",
        )
        routes = [route("outside", targets=(RouteTarget(provider_id="prv_1"),))]
        limits = [limit("key", LimitDimension.KEY, requests_per_minute=BOUND)]
        admitted: list[str] = []

        def alone() -> RouterProcess:
            return RouterProcess(
                tmp_path / "router",
                endpoint(engine.base_url),
                routes=routes,
                providers=[provider],
                limits=limits,
                **settings,
            )

        async with alone() as router:
            for members in ({}, {"stream": True}, {"model": "outside"}, {"model": "outside", "stream": True}):
                status, record_id = await ask(router, **members)
                assert status == 200, members
                admitted.append(record_id)
            assert len(outside.exchanges) == 2
            assert (await ask(router, "nope"))[0] == 404
            assert await figure(router, "roundhouse_router_limiter_degraded") == 1
            router.kill()
        async with alone() as router:
            statuses = [await ask(router) for _ in range(BOUND + 5)]
            assert [status for status, _ in statuses] == [200] * BOUND + [429] * 5, "the whole limit is its share"
            admitted += [record_id for status, record_id in statuses if status == 200]
            assert await figure(router, "roundhouse_router_spool_depth") == len(admitted)
            nats_server.start()
            async with Fleet(nats_server) as fleet:
                await eventually(lambda: fleet.by_id.keys() == set(admitted), within_s=30)
                await eventually(lambda: is_empty(router), within_s=20)
                await never(lambda: len(fleet.records) > len(admitted), for_s=1.0)
                assert sorted(record.sequence for record in fleet.records) == list(range(1, len(admitted) + 1))
                assert (await ask(router))[0] == 429, "it goes on from its snapshot: the buckets are empty"


async def is_empty(router: RouterProcess) -> bool:
    return await figure(router, "roundhouse_router_spool_depth") == 0

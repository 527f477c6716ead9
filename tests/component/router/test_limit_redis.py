"""Limits on a real Redis: exact over several routers, given back, and kept alive only by who lives."""

import asyncio

import pytest

from roundhouse_common.contracts.routing import LimitDimension as D
from roundhouse_router.domain.limits import LimitExceeded, RedisLostMode
from roundhouse_router.limits import Decider
from tests.support.eventually import eventually
from tests.support.limit_desks import crowd, desks
from tests.support.limit_records import demand, limit
from tests.support.redis_server import RedisServer


@pytest.mark.contract("D02")
@pytest.mark.contract("D03")
@pytest.mark.contract("D04")
async def test_a_crowd_over_three_routers_gets_exactly_the_limit(redis_server: RedisServer) -> None:
    records = [
        limit("lim_all", requests_per_minute=100, tokens_per_minute=10_000),
        limit("lim_tenant", D.TENANT, requests_per_minute=100, tokens_per_minute=10_000),
        limit("lim_key", D.KEY, requests_per_minute=100, tokens_per_minute=10_000),
    ]
    async with desks(redis_server, 3, *records) as routers:
        assert len(await crowd(routers, inputs=10)) == 100
        assert set((await routers[0].used()).values()) == {100, 1000}


async def test_a_refused_crowd_consumes_nothing(redis_server: RedisServer) -> None:
    records = [
        limit("lim_a", requests_per_minute=1000, tokens_per_minute=10_000),
        limit("lim_b", D.KEY, concurrent_requests=5),
    ]
    async with desks(redis_server, 3, *records) as routers:
        admitted = await crowd(routers, inputs=10, outputs=90)
        assert len(admitted) == 5
        expected = {
            "lim_a|requests_per_minute": 5,
            "lim_a|tokens_per_minute": 500,
            "lim_b|concurrent_requests|key=key_1": 5,
        }
        assert await routers[1].used() == expected
        for grant in admitted:
            grant.settle(10, 20)
        expected |= {"lim_a|tokens_per_minute": 150, "lim_b|concurrent_requests|key=key_1": 0}

        async def settled() -> bool:
            return await routers[1].used() == expected

        await eventually(settled)


async def test_a_place_is_free_for_the_next_request_of_the_same_router(redis_server: RedisServer) -> None:
    async with desks(redis_server, 1, limit(concurrent_requests=1)) as [router]:
        for _ in range(50):
            (await router.limiter.admit(demand())).settle(1, 1)


async def test_tokens_stop_where_the_limit_is(redis_server: RedisServer) -> None:
    async with desks(redis_server, 3, limit(tokens_per_minute=10_000)) as routers:
        assert len(await crowd(routers, inputs=30, outputs=70)) == 100
        with pytest.raises(LimitExceeded) as refusal:
            await routers[2].limiter.admit(demand(inputs=1))
        assert refusal.value.type == "tokens"
        assert 58_000 < refusal.value.wait_ms <= 61_000
        assert dict(refusal.value.headers)[b"x-ratelimit-remaining-tokens"] == b"0"


async def test_a_router_that_died_leaves_its_places_after_the_lease(redis_server: RedisServer) -> None:
    async with desks(redis_server, 2, limit(concurrent_requests=3), lease_s=0.6) as (dying, living):
        kept = await living.limiter.admit(demand())
        assert len(await crowd([dying], 10)) == 2
        await dying.die()
        assert await living.try_admit(demand()) is None

        async def comes_free() -> bool:
            return await living.used() == {"lim_1|concurrent_requests": 1}

        await eventually(comes_free)  # the living one's own lease was kept alive all the time
        assert len(await crowd([living], 10)) == 2
        kept.settle(0, 0)


async def test_who_leaves_while_asking_takes_nothing(redis_server: RedisServer) -> None:
    async with desks(redis_server, 1, limit(concurrent_requests=5, tokens_per_minute=1000)) as [router]:
        asking = [asyncio.create_task(router.limiter.admit(demand(inputs=100))) for _ in range(5)]
        await asyncio.sleep(0)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

        async def nothing_is_used() -> bool:
            return set((await router.used()).values()) == {0}

        await eventually(nothing_is_used)


async def test_flushed_scripts_are_loaded_again(redis_server: RedisServer) -> None:
    async with desks(redis_server, 1, limit(requests_per_minute=2)) as [router]:
        await router.limiter._link.ask(("SCRIPT", "FLUSH"))
        assert len(await crowd([router], 5)) == 2
        assert router.figures.times_lost == 0


async def test_a_closed_limit_needs_no_redis(redis_server: RedisServer) -> None:
    async with desks(redis_server, 1, limit(requests_per_minute=0), lost_mode=RedisLostMode.CLOSED) as [router]:
        redis_server.kill()
        with pytest.raises(LimitExceeded) as refusal:
            await router.limiter.admit(demand())
        assert (b"x-should-retry", b"false") in refusal.value.headers
        assert router.figures.tallies[Decider.REDIS].refused == 1

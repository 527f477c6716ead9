"""Redis lost and back: every mode does what it says, fast, and shows it."""

import asyncio
import time

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from structlog.testing import capture_logs

from roundhouse_router.domain.limits import LimiterUnavailable, RedisLostMode
from roundhouse_router.limits import Decider
from tests.support.eventually import eventually
from tests.support.limit_desks import Desk, crowd, desks
from tests.support.limit_records import demand, limit, table_of
from tests.support.redis_server import RedisServer

LIMITS = limit(requests_per_minute=9)


async def lost(*routers: Desk) -> None:
    await eventually(lambda: not any(router.limiter.is_exact for router in routers))


async def test_each_router_keeps_to_its_share(redis_server: RedisServer) -> None:
    async with desks(redis_server, 3, LIMITS, live_routers=lambda: 3) as routers:
        redis_server.kill()
        await lost(*routers)
        assert len(await crowd(routers, 60)) == 9
        assert [router.figures.tallies[Decider.LOCAL_SHARE].admitted for router in routers] == [3, 3, 3]


async def test_who_comes_before_the_first_connection_is_counted_on_redis(redis_server: RedisServer) -> None:
    """Else each start of a router admits a share beside what the others admit."""
    async with desks(redis_server, 2, LIMITS) as routers:
        late = Desk(redis_server.url, "late", [LIMITS])
        late.start()
        try:
            assert not late.limiter.was_tried
            assert len(await crowd([*routers, late], 60)) == 9
            assert late.figures.tallies[Decider.LOCAL_SHARE].admitted == 0
        finally:
            await late.die()


async def test_a_router_that_starts_without_redis_begins_with_its_share(redis_server: RedisServer) -> None:
    redis_server.kill()
    late = Desk(redis_server.url, "late", [LIMITS], live_routers=lambda: 3)
    late.start()
    try:
        assert len(await crowd([late], 60)) == 3
        assert late.limiter.was_tried
    finally:
        await late.die()


async def test_what_was_admitted_on_redis_counts_towards_the_share(redis_server: RedisServer) -> None:
    async with desks(redis_server, 3, LIMITS, live_routers=lambda: 3) as routers:
        assert len(await crowd(routers, 6)) == 6
        redis_server.kill()
        await lost(*routers)
        assert len(await crowd(routers, 60)) == 3


async def test_open_holds_nobody_and_is_shown(redis_server: RedisServer) -> None:
    async with desks(redis_server, 1, LIMITS, lost_mode=RedisLostMode.OPEN) as [router]:
        redis_server.kill()
        await lost(router)
        assert len(await crowd([router], 30)) == 30
        registry = CollectorRegistry()
        registry.register(router.figures)
        shown = generate_latest(registry).decode()
        assert "roundhouse_router_limiter_degraded 1.0" in shown
        assert 'roundhouse_router_limiter_decisions_total{mode="open",outcome="admitted"} 30.0' in shown
        assert "roundhouse_router_limiter_redis_lost_total 1.0" in shown


async def test_closed_refuses_what_limits_are_about(redis_server: RedisServer) -> None:
    async with desks(
        redis_server, 1, limit(key_ids=("key_1",), requests_per_minute=9), lost_mode=RedisLostMode.CLOSED
    ) as [router]:
        redis_server.kill()
        await lost(router)
        with pytest.raises(LimiterUnavailable) as refused:
            await router.limiter.admit(demand())
        assert refused.value.status == 503
        await router.limiter.admit(demand("key_2"))


async def test_a_killed_redis_costs_no_request_more_than_the_timeout_and_later_ones_nothing(
    redis_server: RedisServer,
) -> None:
    async with desks(redis_server, 1, limit(requests_per_minute=10_000), timeout_s=0.5) as [router]:
        redis_server.pause()
        try:
            began = time.monotonic()
            await router.limiter.admit(demand())
            assert 0.3 < time.monotonic() - began < 5
            began = time.monotonic()
            for _ in range(100):
                await router.limiter.admit(demand())
            assert time.monotonic() - began < 5  # 100 timeouts would be 50 s
        finally:
            redis_server.resume()


async def test_a_redis_that_was_only_slow_is_used_again_and_gets_back_what_nobody_waited_for(
    redis_server: RedisServer,
) -> None:
    async with desks(redis_server, 1, limit(requests_per_minute=100, concurrent_requests=50), timeout_s=0.2) as [
        router
    ]:
        redis_server.pause()
        grants = await crowd([router], 20)
        assert len(grants) == 20
        assert router.figures.tallies[Decider.LOCAL_SHARE].admitted == 20
        redis_server.resume()
        await eventually(lambda: router.limiter.is_exact)

        async def places() -> int:
            return (await router.used())["lim_1|concurrent_requests"]

        async def are(number: int) -> bool:
            return router.limiter.is_exact and await places() == number

        await eventually(lambda: are(20))  # those admitted meanwhile, not those that Redis admitted too late
        for grant in grants:
            grant.settle(0, 0)
        await eventually(lambda: are(0))


async def test_a_crowd_while_redis_dies_and_returns_is_always_answered(redis_server: RedisServer) -> None:
    async with desks(redis_server, 3, limit(concurrent_requests=30), timeout_s=0.3, live_routers=lambda: 3) as routers:
        stop = asyncio.Event()
        counted = [0, 0]

        async def client(number: int) -> None:
            router = routers[number % 3]
            while not stop.is_set():
                grant = await router.try_admit(demand())
                counted[grant is None] += 1
                await asyncio.sleep(0.002)
                if grant is not None:
                    grant.settle(1, 1)

        clients = [asyncio.create_task(client(number)) for number in range(60)]
        for _ in range(2):
            redis_server.kill()
            await lost(*routers)
            redis_server.start()
            await eventually(lambda: all(router.limiter.is_exact for router in routers))
        stop.set()
        await asyncio.gather(*clients)
        assert counted[0] > 100

        async def all_places_are_free() -> bool:
            return set((await routers[0].used()).values()) == {0}

        await eventually(all_places_are_free)


async def test_requests_in_flight_are_counted_on_a_redis_that_came_back_empty(redis_server: RedisServer) -> None:
    async with desks(redis_server, 2, limit(concurrent_requests=3)) as routers:
        grants = await crowd([routers[0]], 2)
        redis_server.kill()
        await lost(*routers)
        redis_server.start()

        async def are_there() -> bool:
            exact = all(router.limiter.is_exact for router in routers)
            return exact and set((await routers[1].used()).values()) == {2}

        await eventually(are_there)
        assert len(await crowd(routers, 10)) == 1
        for grant in grants:
            grant.settle(0, 0)


async def test_a_redis_that_takes_no_writes_is_as_good_as_lost(redis_server: RedisServer) -> None:
    async with desks(redis_server, 1, LIMITS) as [router]:
        await router.limiter._link.ask(("CONFIG", "SET", "min-replicas-to-write", "1"))
        assert len(await crowd([router], 30)) == 9
        assert router.figures.tallies[Decider.LOCAL_SHARE].admitted == 9
        assert not router.limiter.is_exact


async def test_the_end_waits_until_redis_knows_what_was_settled(redis_server: RedisServer) -> None:
    async with desks(redis_server, 2, limit(concurrent_requests=5)) as (leaving, staying):
        for grant in await crowd([leaving], 5):
            grant.settle(1, 1)
        await leaving.limiter.flush()
        await leaving.die()
        assert set((await staying.used()).values()) == {0}


async def test_a_changed_table_holds_on_redis_at_once(redis_server: RedisServer) -> None:
    async with desks(redis_server, 1, LIMITS) as [router]:
        assert len(await crowd([router], 20)) == 9
        router.table = table_of(limit(requests_per_minute=12))
        assert len(await crowd([router], 20)) == 3


async def test_a_router_that_starts_without_redis_says_why_once_and_finds_it_later(
    redis_server: RedisServer,
) -> None:
    redis_server.kill()
    desk = Desk(redis_server.url, "router", [LIMITS])
    with capture_logs() as logs:
        desk.start()
        try:
            await eventually(lambda: desk.figures.times_lost == 1)
            assert len(await crowd([desk], 20)) == 9
            redis_server.start()
            await eventually(lambda: desk.limiter.is_exact)
            assert not desk.figures.is_degraded
        finally:
            await desk.die()
    assert [entry["event"] for entry in logs] == ["limiter_redis_lost", "limiter_redis_found"]
    assert "Connect" in logs[0]["why"]
    assert desk.figures.times_lost == 1


async def test_a_wrong_password_is_named_and_not_shown(redis_server: RedisServer) -> None:
    async with desks(redis_server, 1, LIMITS) as [router]:
        await router.limiter._link.ask(("CONFIG", "SET", "requirepass", "right"))
        desk = Desk(redis_server.url.replace("redis://", "redis://:s3cr3t@"), "router", [LIMITS])
        with capture_logs() as logs:
            desk.start()
            try:
                await eventually(lambda: desk.figures.times_lost == 1)
            finally:
                await desk.die()
        assert "password" in logs[0]["why"]
        assert "s3cr3t" not in str(logs)

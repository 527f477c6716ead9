"""`Idempotency-Key`: the first request is worked, the others get its answer."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from roundhouse_router.domain.errors import IdempotencyKeyInUse, IdempotencyKeyReused
from roundhouse_router.domain.reuse import IdempotentRequest, Kept, idempotent_request
from roundhouse_router.reuse.assembly import ReuseLimits, build_reuse
from roundhouse_router.reuse.idempotency import Reservation
from tests.support.eventually import eventually
from tests.support.hand_clock import HandClock
from tests.support.redis_server import RedisServer, redis_server
from tests.support.reuse import RunningReuse, kept

__all__ = ["redis_server"]
pytestmark = pytest.mark.contract("D16")


@pytest.fixture(params=["memory", "redis"])
def url(request: pytest.FixtureRequest) -> str:
    return "" if request.param == "memory" else request.getfixturevalue("redis_server").url


def asked(name: bytes = b"k", body: bytes = b"{}", tenant: str = "ten_a", key: str = "key_1") -> IdempotentRequest:
    return idempotent_request(name, tenant_id=tenant, key_id=key, path="/v1/chat/completions", body=body)


async def first(reuse: RunningReuse, request: IdempotentRequest) -> Reservation:
    begun = await reuse.idempotency.begin(request)
    assert isinstance(begun, Reservation)
    return begun


async def test_the_same_request_again_gets_the_same_answer(url: str) -> None:
    async with RunningReuse(url) as reuse:
        answer = kept(b"a", b"b", is_stream=True)
        (await first(reuse, asked())).finish(answer)
        assert await reuse.idempotency.begin(asked()) == answer
        assert reuse.metric("roundhouse_router_idempotent_requests_total", result="replayed") == 1


async def test_another_request_with_the_same_key_is_refused_in_flight_and_later(url: str) -> None:
    async with RunningReuse(url) as reuse:
        begun = await first(reuse, asked())
        with pytest.raises(IdempotencyKeyReused) as refused:
            await reuse.idempotency.begin(asked(body=b"other"))
        begun.finish(kept(b"a"))
        with pytest.raises(IdempotencyKeyReused):
            await reuse.idempotency.begin(asked(body=b"other"))
        assert (refused.value.status, refused.value.error_code) == (422, "idempotency_key_reused")


async def test_while_the_first_is_in_flight_others_are_told_to_wait(url: str) -> None:
    async with RunningReuse(url) as reuse:
        begun = await first(reuse, asked())
        with pytest.raises(IdempotencyKeyInUse) as refused:
            await reuse.idempotency.begin(asked())
        assert (refused.value.status, refused.value.retry_after_s) == (409, 1)
        begun.finish(None)


async def test_keys_of_other_api_keys_and_tenants_are_other_keys(url: str) -> None:
    async with RunningReuse(url) as reuse:
        (await first(reuse, asked())).finish(kept(b"a"))
        await first(reuse, asked(key="key_2"))
        await first(reuse, asked(tenant="ten_b"))


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408, 409, 0])
async def test_what_may_end_otherwise_the_next_time_is_not_kept(url: str, status: int) -> None:
    async with RunningReuse(url) as reuse:
        (await first(reuse, asked())).finish(kept(b"a", status=status) if status else None)
        again = await eventually(lambda: _free(reuse))
        assert again is not None
        again.finish(None)


async def _free(reuse: RunningReuse) -> Reservation | None:
    try:
        begun = await reuse.idempotency.begin(asked())
    except IdempotencyKeyInUse:
        return None
    assert isinstance(begun, Reservation)
    return begun


async def test_a_refusal_by_the_engine_is_final(url: str) -> None:
    async with RunningReuse(url) as reuse:
        (await first(reuse, asked())).finish(kept(b"no", status=400))
        again = await reuse.idempotency.begin(asked())
        assert isinstance(again, Kept)
        assert again.status == 400


async def test_of_many_at_once_exactly_one_is_worked(url: str) -> None:
    async with RunningReuse(url) as one, RunningReuse(url) as two:
        routers = [one, two] if url else [one]
        found = await asyncio.gather(
            *(routers[n % len(routers)].idempotency.begin(asked()) for n in range(40)), return_exceptions=True
        )
        assert sum(isinstance(each, Reservation) for each in found) == 1
        assert sum(isinstance(each, IdempotencyKeyInUse) for each in found) == 39


async def test_finishing_twice_changes_nothing(url: str) -> None:
    async with RunningReuse(url) as reuse:
        begun = await first(reuse, asked())
        begun.finish(kept(b"a"))
        begun.finish(None)
        assert isinstance(await reuse.idempotency.begin(asked()), Kept)


async def test_keys_hold_over_all_routers(redis_server: RedisServer) -> None:
    async with RunningReuse(redis_server.url) as one, RunningReuse(redis_server.url) as two:
        begun = await first(one, asked())
        with pytest.raises(IdempotencyKeyInUse):
            await two.idempotency.begin(asked())
        begun.finish(kept(b"a"))
        again = await eventually(lambda: _answered(two))
        assert again is not None
        assert again.chunks == (b"a",)


async def _answered(reuse: RunningReuse) -> Kept | None:
    try:
        begun = await reuse.idempotency.begin(asked())
    except IdempotencyKeyInUse:
        return None
    assert isinstance(begun, Kept)
    return begun


async def test_without_redis_a_key_holds_on_one_router_and_that_is_counted(redis_server: RedisServer) -> None:
    async with RunningReuse(redis_server.url, redis_rest_s=30) as reuse:
        redis_server.kill()
        begun = await first(reuse, asked())
        with pytest.raises(IdempotencyKeyInUse):
            await reuse.idempotency.begin(asked())
        begun.finish(kept(b"a"))
        assert isinstance(await reuse.idempotency.begin(asked()), Kept)
        assert reuse.metric("roundhouse_router_idempotent_local_requests_total") == 3


async def test_memory_is_bounded_and_answers_have_an_end() -> None:
    clock = HandClock()
    limits = ReuseLimits(cache_max_bytes=1, idempotency_ttl_s=10, idempotency_max_bytes=2000, coalesce_buffer_bytes=1)
    idempotency = build_reuse(limits, clock, CollectorRegistry()).idempotency
    for number in range(20):
        begun = await idempotency.begin(asked(b"k%d" % number))
        assert isinstance(begun, Reservation)
        begun.finish(kept(b"a"))
    assert isinstance(await idempotency.begin(asked(b"k19")), Kept)
    oldest = await idempotency.begin(asked(b"k0"))
    assert isinstance(oldest, Reservation), "the oldest answers went"
    clock.at += 11
    assert isinstance(await idempotency.begin(asked(b"k19")), Reservation)

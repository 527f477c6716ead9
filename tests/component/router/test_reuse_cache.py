"""The response cache: bounded, apart by key, and never in the way."""

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from roundhouse_common.contracts.routing import RouteCache
from roundhouse_common.runtime import SystemClock
from roundhouse_router.domain.reuse import CacheOrder, Kept
from roundhouse_router.domain.reuse_key import tenant_part
from roundhouse_router.domain.tokens import TokenCounts
from roundhouse_router.reuse.assembly import Reuse, ReuseLimits, build_reuse
from roundhouse_router.reuse.codec import pack, unpack
from roundhouse_router.reuse.memory import MemoryStore
from roundhouse_router.reuse.sink import Recorder, replay
from tests.support.eventually import eventually
from tests.support.hand_clock import HandClock
from tests.support.redis_server import RedisServer, redis_server
from tests.support.reuse import RunningReuse, kept
from tests.support.sinks import FakeClient

__all__ = ["redis_server"]
pytestmark = pytest.mark.contract("D14")

KEY, OTHER = b"k" * 32, b"o" * 32
USE = CacheOrder(is_read=True, is_kept=True)
MINUTE = RouteCache(ttl_s=60)


@pytest.fixture(params=["memory", "redis"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "memory":
        yield ""
    else:
        yield request.getfixturevalue("redis_server").url


async def test_an_answer_is_given_again_under_its_own_key_only(url: str) -> None:
    async with RunningReuse(url) as reuse:
        assert await reuse.cache.find(KEY, USE) is None
        answer = kept(b"a", b"b", counts=TokenCounts(input_tokens=3, output_tokens=2), is_stream=True)
        reuse.cache.keep(KEY, answer, MINUTE)
        assert await eventually(lambda: reuse.cache.find(KEY, USE)) == answer
        assert await reuse.cache.find(OTHER, USE) is None


async def test_it_is_gone_after_its_time(url: str) -> None:
    async with RunningReuse(url) as reuse:
        reuse.cache.keep(KEY, kept(b"a"), RouteCache(ttl_s=0.2))
        reuse.cache.keep(OTHER, kept(b"b"), MINUTE)
        await eventually(lambda: reuse.cache.find(OTHER, USE))
        await eventually(lambda: _is_gone(reuse.reuse, KEY))
        assert await reuse.cache.find(OTHER, USE) is not None


async def test_a_tenants_answers_are_counted_and_forgotten_and_others_stay(url: str) -> None:
    mine, theirs = tenant_part("ten_mine") + b"k" * 24, tenant_part("ten_theirs") + b"k" * 24
    async with RunningReuse(url) as reuse:
        for key in (mine, theirs):
            reuse.cache.keep(key, kept(b"a"), MINUTE)
            await eventually(partial(reuse.cache.find, key, USE))
        held = await reuse.cache.held("ten_mine")
        assert held is not None
        assert (held.answers, held.size_bytes is None, reuse.cache.is_shared) == (1, bool(url), bool(url))
        assert await reuse.cache.clear("ten_mine") == 1
        assert await reuse.cache.find(mine, USE) is None
        assert await reuse.cache.find(theirs, USE) is not None
        assert await reuse.cache.clear("ten_mine") == 0


async def _is_gone(reuse: Reuse[Any], key: bytes) -> bool:
    return await reuse.cache.find(key, USE) is None


async def test_a_newer_answer_takes_the_place_of_an_older_one(url: str) -> None:
    async with RunningReuse(url) as reuse:
        for text in (b"old", b"new"):
            reuse.cache.keep(KEY, kept(text), MINUTE)
        await eventually(lambda: _says(reuse.reuse, b"new"))


async def _says(reuse: Reuse[Any], text: bytes) -> bool:
    found = await reuse.cache.find(KEY, USE)
    return found is not None and found.chunks == (text,)


async def test_only_answers_without_an_error_are_kept(url: str) -> None:
    async with RunningReuse(url) as reuse:
        reuse.cache.keep(KEY, kept(b"e", status=400), MINUTE)
        reuse.cache.keep(KEY, None, MINUTE)
        reuse.cache.keep(OTHER, kept(b"b"), MINUTE)
        await eventually(lambda: reuse.cache.find(OTHER, USE))
        assert await reuse.cache.find(KEY, USE) is None


async def test_clients_are_told_and_can_ask_for_younger_answers() -> None:
    clock = HandClock()
    reuse: Reuse[None] = build_reuse(_limits(), clock, CollectorRegistry())
    reuse.cache.keep(KEY, kept(b"a", kept_at=clock.now()), MINUTE)
    clock.at += 10
    hit = await reuse.cache.find(KEY, CacheOrder(True, True, 10))
    assert reuse.cache.headers(USE, hit) == [(b"x-roundhouse-cache", b"hit"), (b"age", b"10")]
    assert await reuse.cache.find(KEY, CacheOrder(True, True, 9)) is None
    assert await reuse.cache.find(KEY, CacheOrder(False, True)) is None
    assert reuse.cache.headers(USE, None) == [(b"x-roundhouse-cache", b"miss")]
    assert reuse.cache.headers(CacheOrder(False, False), None) == [(b"x-roundhouse-cache", b"bypass")]


async def test_a_redis_that_died_is_a_miss_and_is_used_again_when_it_is_back(redis_server: RedisServer) -> None:
    async with RunningReuse(redis_server.url) as reuse:
        reuse.cache.keep(KEY, kept(b"a"), MINUTE)
        await eventually(lambda: reuse.cache.find(KEY, USE))
        redis_server.kill()
        assert await reuse.cache.find(KEY, USE) is None
        assert reuse.metric("roundhouse_router_reuse_store_failures_total") >= 1
        redis_server.start()
        await eventually(lambda: _kept_again(reuse.reuse), within_s=10)


async def _kept_again(reuse: Reuse[Any]) -> bool:
    reuse.cache.keep(KEY, kept(b"again"), MINUTE)
    return await reuse.cache.find(KEY, USE) is not None


async def test_a_redis_that_is_silent_costs_one_short_wait(redis_server: RedisServer) -> None:
    async with RunningReuse(redis_server.url, redis_timeout_s=0.2, redis_rest_s=30) as reuse:
        clock = SystemClock()
        assert await reuse.cache.find(KEY, USE) is None
        redis_server.pause()
        try:
            began = clock.monotonic()
            for _ in range(50):
                assert await reuse.cache.find(KEY, USE) is None
            assert clock.monotonic() - began < 5  # 50 waits would be 10 s
            assert reuse.metric("roundhouse_router_reuse_store_failures_total") == 1
        finally:
            redis_server.resume()


async def test_an_answer_of_another_key_is_never_given_out(redis_server: RedisServer) -> None:
    async with RunningReuse(redis_server.url) as reuse:
        reuse.cache.keep(KEY, kept(b"secret"), MINUTE)
        await eventually(lambda: reuse.cache.find(KEY, USE))
        assert reuse.reuse.link is not None
        data = await reuse.reuse.link.call(lambda redis: redis.get(b"rh:answer:1:" + KEY.hex().encode()))
        assert isinstance(data, bytes)
        await reuse.reuse.link.call(lambda redis: redis.set(b"rh:answer:1:" + OTHER.hex().encode(), data))
        assert await reuse.cache.find(OTHER, USE) is None


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=2), st.integers(0, 40), st.integers(0, 3)), max_size=60))
def test_memory_is_bounded_and_the_least_recently_used_goes_first(steps: list[tuple[bytes, int, int]]) -> None:
    clock = HandClock()
    store: MemoryStore[int] = MemoryStore(clock, max_bytes=100)
    model: dict[bytes, tuple[int, int, float]] = {}
    for number, (key, size, ttl_s) in enumerate(steps):
        clock.at += 0.5
        if size % 3 == 0:
            found = store.get(key)
            expected = model.get(key)
            if expected is not None and expected[2] > clock.at:
                assert found == expected[0]
                model[key] = model.pop(key)
            else:
                assert found is None
                model.pop(key, None)
            continue
        store.put(key, number, size_bytes=size, ttl_s=ttl_s)
        model.pop(key, None)
        if ttl_s:
            model[key] = (number, size, clock.at + ttl_s)
        while sum(entry[1] for entry in model.values()) > 100:
            del model[next(iter(model))]
        assert store.size_bytes == sum(entry[1] for entry in model.values()) <= 100
        assert len(store) == len(model)


@given(st.lists(st.binary(), max_size=20), st.booleans(), st.binary(min_size=32, max_size=32))
def test_packed_answers_are_read_back(chunks: list[bytes], is_stream: bool, key: bytes) -> None:
    answer = kept(*chunks, is_stream=is_stream)
    data = pack(key, answer)
    assert unpack(key, data) == answer
    assert unpack(OTHER + b"x", data) is None


@given(st.binary())
def test_what_cannot_be_read_is_no_answer(data: bytes) -> None:
    assert unpack(KEY, data) is None


async def test_a_recorded_stream_is_replayed_chunk_by_chunk_without_its_comments() -> None:
    first, second = FakeClient(), FakeClient(room=1)
    recorder = Recorder(first, max_bytes=1000)
    recorder.start(200, [(b"x-request-id", b"1"), (b"content-type", b"text/event-stream")])
    recorder.write(b": waiting for the model\n\n")
    recorder.write(b"data: 1\n\n")
    assert recorder.kept(SystemClock().now()) is None
    recorder.end(b"data: [DONE]\n\n")
    answer = recorder.kept(SystemClock().now(), model_served="m")
    assert answer is not None
    second.room = None
    await replay(second, answer, [(b"x-request-id", b"2")])
    assert second.chunks == [b"data: 1\n\n", b"data: [DONE]\n\n"]
    assert second.headers == [(b"x-request-id", b"2"), (b"content-type", b"text/event-stream")]
    assert second.is_ended
    assert not second.is_whole


async def test_a_recorded_whole_answer_is_replayed_whole() -> None:
    first, second = FakeClient(), FakeClient()
    recorder = Recorder(first, max_bytes=1000)
    recorder.answer(200, [(b"content-type", b"application/json")], b"{}")
    answer = recorder.kept(SystemClock().now())
    assert answer is not None
    await replay(second, answer, [])
    assert (second.is_whole, second.body, second.status) == (True, b"{}", 200)


async def test_answers_that_are_too_large_or_encoded_are_passed_on_and_not_kept() -> None:
    client = FakeClient()
    recorder = Recorder(client, max_bytes=100)
    recorder.start(200, [(b"content-type", b"audio/mpeg")])
    for _ in range(10):
        recorder.write(b"x" * 20)
    recorder.end()
    assert recorder.kept(SystemClock().now()) is None
    assert len(client.body) == 200
    packed = Recorder(FakeClient(), max_bytes=100)
    packed.answer(200, [(b"content-encoding", b"gzip")], b"x")
    assert packed.kept(SystemClock().now()) is None


async def test_a_replay_waits_for_a_client_that_reads_slowly() -> None:
    client = FakeClient(room=2)
    task = asyncio.create_task(replay(client, kept(b"aa", b"bb", b"cc", is_stream=True), []))
    await eventually(lambda: client.body == b"aa")
    client.take()
    await task
    assert client.body == b"aabbcc"
    assert client.is_ended


def test_kept_answers_of_later_versions_are_read() -> None:
    class Later(Kept, frozen=True, kw_only=True):
        more: str = "x"

    later = Later(status=200, content_type=b"", chunks=(b"a",), is_stream=False, kept_at=0.0)
    data = b"0" + msgspec.msgpack.encode((KEY, later))
    found = unpack(KEY, data)
    assert found is not None
    assert found.chunks == (b"a",)


def _limits() -> ReuseLimits:
    return ReuseLimits(
        cache_max_bytes=10_000, idempotency_ttl_s=60, idempotency_max_bytes=10_000, coalesce_buffer_bytes=1000
    )

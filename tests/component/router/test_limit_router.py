"""Limits through the whole router: in force at once, shown, and given back however a request ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import openai
import pytest

from roundhouse_common.contracts.routing import LimitDimension as D
from roundhouse_common.contracts.routing import LimitRecord
from tests.support.eventually import eventually
from tests.support.limit_records import limit
from tests.support.redis_server import RedisServer
from tests.support.running_router import SECRET, Fleet, RunningRouter, api_key
from tests.support.scripted_engine import DONE, Engine, answers, chunk, completion, streams, usage_chunk

OTHER = "rh-" + "o" * 43
DEGRADED = "roundhouse_router_limiter_degraded"


@asynccontextmanager
async def limited(tmp_path: Path, fleet: Fleet, engine: Engine, *limits: LimitRecord) -> AsyncIterator[RunningRouter]:
    """A router that has known these limits from its start."""
    for record in limits:
        await fleet.put_limit(record)
    await fleet.serve(engine)
    async with RunningRouter(tmp_path, fleet) as router:
        await router.ready()
        yield router


async def status(router: RunningRouter, body: Any = None, **how: Any) -> int:
    async with router.post(body, **how) as answer:
        await answer.read()
        return int(answer.status)


@pytest.mark.contract("D03")
@pytest.mark.contract("E04")
async def test_a_limit_per_key_holds_each_key_and_has_no_record_of_refusals(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    async with limited(tmp_path, fleet, engine, limit("each_key", D.KEY, requests_per_minute=2)) as router:
        await fleet.put_key(api_key(OTHER, key_id="key_2"))
        engine.script = answers(body=completion())
        assert [await status(router) for _ in range(4)] == [200, 200, 429, 429]
        assert await status(router, secret=OTHER) == 200
        await eventually(lambda: len(fleet.records) == 3)
        assert len(engine.exchanges) == 3


@pytest.mark.contract("D15")
async def test_a_limit_per_user_holds_all_keys_of_a_user_together(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    third = "rh-" + "t" * 43
    async with limited(tmp_path, fleet, engine, limit("each_user", D.USER, requests_per_minute=2)) as router:
        await fleet.put_key(api_key(OTHER, key_id="key_2"))
        await fleet.put_key(api_key(third, key_id="key_3", user_id="usr_other"))
        engine.script = answers(body=completion())
        assert [await status(router, secret=secret) for secret in (SECRET, OTHER, SECRET, OTHER)] == [
            200,
            200,
            429,
            429,
        ]
        assert await status(router, secret=third) == 200
        await eventually(lambda: len(fleet.records) == 3)


async def test_headers_are_on_whole_answers_streams_and_refusals(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    async with limited(
        tmp_path, fleet, engine, limit("each_key", D.KEY, requests_per_minute=2, tokens_per_minute=5000)
    ) as router:
        engine.script = answers(body=completion(prompt=7, output=3))
        async with router.post({"max_tokens": 100}) as answer:
            assert answer.headers["x-ratelimit-limit-requests"] == "2"
            assert answer.headers["x-ratelimit-remaining-requests"] == "1"
            assert answer.headers["x-ratelimit-reset-requests"] == "1m1s"
            assert 4800 < int(answer.headers["x-ratelimit-remaining-tokens"]) < 4900
        engine.script = streams(chunk("hi"), usage_chunk(7, 3), DONE)
        async with router.stream(max_tokens=100) as answer:
            assert answer.headers["x-ratelimit-remaining-requests"] == "0"
            await answer.read()
        async with router.post() as answer:
            assert answer.status == 429
            assert int(answer.headers["retry-after-ms"]) <= 61_000
            assert answer.headers["x-ratelimit-remaining-tokens"] == str(5000 - 20)
            assert (await answer.json())["error"]["type"] == "requests"


async def test_openais_client_sees_its_own_error(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    async with limited(tmp_path, fleet, engine, limit("closed", D.KEY, tokens_per_day=0)) as router:
        async with openai.AsyncOpenAI(base_url=f"{router.url}/v1", api_key=SECRET) as client:
            with pytest.raises(openai.RateLimitError) as refused:
                await client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "hi"}])
        assert (refused.value.code, refused.value.type) == ("rate_limit_exceeded", "tokens")
        assert "`closed`" in refused.value.message


@pytest.mark.parametrize("header", ["high", "١٢x"])
async def test_what_fails_beside_the_limits_takes_no_place(
    tmp_path: Path, fleet: Fleet, engine: Engine, header: str
) -> None:
    async with limited(
        tmp_path, fleet, engine, limit("places", concurrent_requests=1, requests_per_minute=100)
    ) as router:
        engine.script = answers(body=completion())
        for _ in range(3):
            assert await status(router, x_roundhouse_priority=header) == 400
        assert await status(router) == 200


async def test_a_client_that_leaves_gives_back_its_place_and_pays_for_its_prompt(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    async with limited(
        tmp_path, fleet, engine, limit("places", concurrent_requests=1, tokens_per_minute=5000)
    ) as router:

        async def silent(exchange: Any) -> None:
            await exchange.silence()

        engine.script = silent
        leaving = asyncio.create_task(status(router, {"max_tokens": 10, "messages": [{"content": "x " * 2000}]}))
        await eventually(lambda: engine.exchanges)
        assert await status(router) == 429
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        engine.script = answers(body=completion(prompt=7, output=3))

        async def is_free() -> bool:
            return await status(router, {"max_tokens": 1}) == 200

        await eventually(is_free)
        async with router.post({"max_tokens": 1}) as answer:
            left = int(answer.headers["x-ratelimit-remaining-tokens"])
        assert 5000 - 1000 - 200 < left < 5000 - 1000


async def test_embeddings_need_no_room_for_an_answer(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    async with limited(tmp_path, fleet, engine, limit("tokens", tokens_per_minute=500)) as router:
        engine.script = answers(body={"object": "list", "data": [], "usage": {"prompt_tokens": 4, "total_tokens": 4}})
        body = b'{"model": "tiny", "input": "some words"}'
        assert [await status(router, body, path="/v1/embeddings") for _ in range(5)] == [200] * 5


@pytest.mark.contract("D02")
async def test_two_routers_on_one_redis_share_a_limit(
    tmp_path: Path, fleet: Fleet, engine: Engine, redis_server: RedisServer
) -> None:
    engine.script = answers(body=completion())
    await fleet.put_limit(limit("all", requests_per_minute=5))
    await fleet.serve(engine)
    told: dict[str, Any] = {"redis_url": redis_server.url, "limit_redis_timeout_s": 5.0}
    async with (
        RunningRouter(tmp_path / "one", fleet, **told) as one,
        RunningRouter(tmp_path / "two", fleet, **told) as two,
    ):
        for router in (one, two):
            await router.ready()
        await eventually(lambda: {one.metric(DEGRADED), two.metric(DEGRADED)} == {0})
        assert [await status(router) for router in (one, two) * 4].count(200) == 5
        redis_server.kill()
        await eventually(lambda: one.metric(DEGRADED) == 1)
        assert await status(one) == 429


async def test_a_limit_is_in_force_once_it_is_heard_of_and_gone_when_it_is_removed(
    router: RunningRouter, fleet: Fleet, engine: Engine
) -> None:
    engine.script = answers(body=completion())
    record = limit("closed", requests_per_day=0)
    await fleet.put_limit(record)

    async def says(wanted: int) -> bool:
        return await status(router) == wanted

    await eventually(lambda: says(429))
    await fleet.put_limit(msgspec.structs.replace(record, is_deleted=True))
    await eventually(lambda: says(200))


async def test_a_limit_of_a_later_version_is_shown_as_one_that_does_not_hold(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    async with limited(tmp_path, fleet, engine, limit("later", D.UNKNOWN, requests_per_day=0)) as router:
        engine.script = answers(body=completion())
        assert await status(router) == 200
        assert router.metric("roundhouse_router_limits_unread") == 1


@pytest.mark.parametrize("asked", [{"max_tokens": 10**30}, {"max_tokens": 2**63}, {"max_tokens": 5, "n": 10**30}])
async def test_a_request_for_more_tokens_than_can_be_counted_is_held_by_limits_as_any_other(
    tmp_path: Path, fleet: Fleet, engine: Engine, asked: dict[str, int]
) -> None:
    async with limited(tmp_path, fleet, engine, limit("tokens", tokens_per_minute=10_000)) as router:
        engine.script = answers(body=completion())
        assert await status(router, asked) == 200, "reserved is what the smallest limit has, and given back"
        assert await status(router, asked) == 429, "10 tokens are used: all that the limit has is not free any more"
        assert await status(router, {"max_tokens": 10}) == 200

"""Kept and shared answers, and Idempotency-Key, through a whole router."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anthropic
import pytest
import pytest_asyncio

from roundhouse_common.contracts.routing import Fallback, FallbackReason, RouteCache
from roundhouse_common.contracts.usage import Outcome, Reuse, UsageRecord
from tests.support.eventually import eventually
from tests.support.media import FORM, form
from tests.support.redis_server import RedisServer, redis_server
from tests.support.running_router import SECRET, Fleet, RunningRouter, api_key, endpoint, route
from tests.support.scripted_engine import DONE, Engine, Exchange, answers, chunk, completion, streams, usage_chunk

__all__ = ["redis_server"]

CACHED = RouteCache(ttl_s=60)
MESSAGES = [{"role": "user", "content": "hi"}]


@pytest_asyncio.fixture
async def start(tmp_path: Path, fleet: Fleet, engine: Engine) -> AsyncIterator[Callable[..., Any]]:
    """Start a router whose route `tiny` has these settings."""
    running: list[RunningRouter] = []

    async def begin(name: str = "router", settings: dict[str, Any] | None = None, **changed: Any) -> RunningRouter:
        (tmp_path / name).mkdir()
        await fleet.serve(engine)
        await fleet.put_route(route(**changed))
        await fleet.put_endpoints(endpoint(engine.base_url), version_id="ver_1")
        router = RunningRouter(tmp_path / name, fleet, **(settings or {}))
        await router.__aenter__()
        running.append(router)
        await router.ready()
        return router

    yield begin
    for router in reversed(running):
        await router.__aexit__(None, None, None)


async def ask(router: RunningRouter, **changed: Any) -> tuple[int, Any, str | None]:
    headers = changed.pop("headers", {})
    async with router.post({"messages": MESSAGES, **changed}, **headers) as response:
        body = await response.read()
        return response.status, body, response.headers.get("x-roundhouse-cache")


async def records(fleet: Fleet, count: int) -> list[UsageRecord]:
    await eventually(lambda: len(fleet.records) >= count)
    return sorted(fleet.records, key=lambda record: record.sequence)


@pytest.mark.contract("D14")
async def test_an_equal_request_is_answered_from_the_cache(
    start: Callable[..., Any], engine: Engine, fleet: Fleet
) -> None:
    router = await start(cache=CACHED)
    first, second = await ask(router, seed=1), await ask(router, seed=1)
    other = await ask(router, seed=2)
    assert first[1] == second[1]
    assert (first[2], second[2], other[2]) == ("miss", "hit", "miss")
    assert len(engine.exchanges) == 2
    one, two, _ = await records(fleet, 3)
    assert (one.reuse, two.reuse) == (Reuse.NONE, Reuse.CACHED)
    assert (one.input_tokens, one.output_tokens) == (two.input_tokens, two.output_tokens) == (7, 3)
    assert (two.outcome, two.attempts, two.replica_id) == (Outcome.COMPLETED, 0, "")


@pytest.mark.contract("D14")
async def test_a_stream_is_given_again_as_a_stream(start: Callable[..., Any], engine: Engine, fleet: Fleet) -> None:
    router = await start(cache=CACHED)
    engine.script = streams(chunk("hel"), chunk("lo"), usage_chunk(11, 2), DONE)
    plain = [await ask(router, stream=True) for _ in range(2)]
    usage = {"stream": True, "stream_options": {"include_usage": True}}
    with_usage = [await ask(router, **usage) for _ in range(2)]
    whole = await ask(router)
    assert [each[2] for each in (*plain, *with_usage, whole)] == ["miss", "hit", "miss", "hit", "miss"]
    assert plain[0][1] == plain[1][1]
    assert with_usage[0][1] == with_usage[1][1]
    assert b'"usage"' not in plain[1][1]
    assert b'"usage"' in with_usage[1][1]
    found = await records(fleet, 5)
    assert (found[1].reuse, found[1].is_stream, found[1].output_tokens) == (Reuse.CACHED, True, 2)
    assert found[1].time_to_first_token_ms is not None


@pytest.mark.contract("D14")
async def test_clients_say_what_they_want_of_the_cache(start: Callable[..., Any], engine: Engine) -> None:
    router = await start(cache=CACHED)
    said = [
        (await ask(router, headers={"cache_control": control} if control else {}))[2]
        for control in ("no-store", "", "", "no-cache", "max-age=100", "max-age=0", "no-store")
    ]
    assert said == ["bypass", "miss", "hit", "miss", "hit", "miss", "bypass"]
    async with router.post({"messages": MESSAGES}) as response:
        assert int(response.headers["age"]) >= 0


@pytest.mark.contract("D14")
async def test_errors_and_broken_streams_are_not_kept(start: Callable[..., Any], engine: Engine) -> None:
    router = await start(cache=CACHED)
    engine.script = answers(400, {"error": {"message": "no"}})
    assert [(await ask(router))[2] for _ in range(2)] == ["miss", "miss"]

    async def breaks(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.send(chunk("hel"))
        await asyncio.sleep(0.02)
        exchange.hang_up()

    engine.script = breaks
    assert [(await ask(router, stream=True))[2] for _ in range(2)] == ["miss", "miss"]
    engine.script = streams(chunk("a"), b'data: {"error": {"message": "out of memory"}}\n\n')
    assert [(await ask(router, stream=True))[2] for _ in range(2)] == ["miss", "miss"]


@pytest.mark.contract("D14")
async def test_a_new_version_gives_no_old_answer(start: Callable[..., Any], engine: Engine, fleet: Fleet) -> None:
    router = await start(cache=CACHED)
    assert [(await ask(router))[2] for _ in range(2)] == ["miss", "hit"]
    await fleet.put_endpoints(endpoint(engine.base_url), version_id="ver_2")
    await eventually(lambda: _says(router, "miss"))


@pytest.mark.contract("D14")
async def test_what_a_fallback_said_is_not_kept_as_the_routes_own(
    start: Callable[..., Any], engine: Engine, fleet: Fleet
) -> None:
    async with Engine(answers(503, {"error": {"message": "busy"}})) as broken:
        await fleet.put_route(route("second", "dep_2"))
        await fleet.put_endpoints(endpoint(engine.base_url, 2), deployment_id="dep_2")
        fallback = Fallback(reason=FallbackReason.ERROR, route="second")
        router = await start(cache=CACHED, fallbacks=(fallback,))
        await fleet.put_endpoints(endpoint(broken.base_url), version_id="ver_1")
        await eventually(lambda: _asks(router, broken))
        for seed in (50, 50, 50):
            status, _, said = await ask(router, seed=seed)
            assert (status, said) == (200, "miss")


async def _asks(router: RunningRouter, engine: Engine) -> bool:
    await ask(router, seed=len(engine.exchanges) + 100)
    return bool(engine.exchanges)


@pytest.mark.contract("D14")
async def test_no_answer_reaches_another_tenant(start: Callable[..., Any], engine: Engine, fleet: Fleet) -> None:
    router = await start(cache=CACHED, tenant_id="")
    other = "rh-" + "o" * 43
    await fleet.put_key(api_key(other, key_id="key_2", tenant_id="ten_other"))
    await eventually(lambda: _answers_to(router, other))
    engine.script = answers(body=completion("a secret"))
    await ask(router, seed=5)
    engine.script = answers(body=completion("something else"))
    async with router.post({"messages": MESSAGES, "seed": 5}, secret=other) as response:
        assert response.headers["x-roundhouse-cache"] == "miss"
        assert "secret" not in await response.text()


async def _answers_to(router: RunningRouter, secret: str) -> bool:
    async with router.post({"messages": MESSAGES, "seed": 1}, secret=secret) as response:
        return bool(response.status == 200)


@pytest.mark.contract("D14")
async def test_other_apis_have_answers_of_their_own(start: Callable[..., Any], engine: Engine) -> None:
    router = await start(cache=CACHED)
    await ask(router, max_tokens=5)
    async with anthropic.AsyncAnthropic(base_url=router.url, api_key=SECRET, max_retries=0) as client:
        said = [
            await client.messages.create(model="tiny", max_tokens=5, messages=[{"role": "user", "content": "hi"}])
            for _ in range(2)
        ]
    assert said[0] == said[1]
    assert len(engine.exchanges) == 2


@pytest.mark.contract("D14")
async def test_routers_share_answers_in_redis_and_serve_without_it(
    start: Callable[..., Any], engine: Engine, redis_server: RedisServer
) -> None:
    settings = {"redis_url": redis_server.url, "cache_redis_timeout_s": 2.0}
    one = await start("one", settings, cache=CACHED)
    two = await start("two", settings, cache=CACHED)
    assert (await ask(one))[2] == "miss"
    await eventually(lambda: _says(two, "hit"))
    redis_server.kill()
    assert (await ask(two))[0] == 200
    assert (await ask(two))[2] == "miss"


async def _says(router: RunningRouter, state: str) -> bool:
    return (await ask(router))[2] == state


class Gate:
    """An engine that answers when the test says so."""

    def __init__(self, engine: Engine) -> None:
        self.open = asyncio.Event()
        self.engine = engine
        engine.script = self.script

    async def script(self, exchange: Exchange) -> None:
        if exchange.json.get("stream"):
            await exchange.head()
            await exchange.send(chunk("hel"))
            await self.open.wait()
            for data in (chunk("lo"), usage_chunk(11, 2), DONE):
                await exchange.send(data)
            await exchange.end()
        else:
            await self.open.wait()
            await exchange.whole(200, json.dumps(completion()).encode())

    async def joined(self, router: RunningRouter, count: int) -> None:
        """Wait until so many requests share the work of another one."""
        await eventually(lambda: router.metric("roundhouse_router_coalesced_requests_total") == count)


@pytest.mark.contract("D16")
@pytest.mark.parametrize("is_stream", [False, True])
async def test_equal_requests_in_flight_share_one_call(
    start: Callable[..., Any], engine: Engine, fleet: Fleet, is_stream: bool
) -> None:
    router, gate = await start(is_coalesced=True), Gate(engine)
    asking = [asyncio.create_task(ask(router, stream=is_stream)) for _ in range(5)]
    await gate.joined(router, 4)
    gate.open.set()
    found = await asyncio.gather(*asking)
    assert {each[0] for each in found} == {200}
    assert len({each[1] for each in found}) == 1
    assert len(engine.exchanges) == 1
    settled = await records(fleet, 5)
    assert sorted(record.reuse for record in settled) == [Reuse.COALESCED] * 4 + [Reuse.NONE]
    assert {record.output_tokens for record in settled} == {2 if is_stream else 3}
    assert {record.outcome for record in settled} == {Outcome.COMPLETED}


@pytest.mark.contract("D16")
async def test_shared_work_outlives_the_client_that_began_it(
    start: Callable[..., Any], engine: Engine, fleet: Fleet
) -> None:
    router, gate = await start(is_coalesced=True, cache=CACHED), Gate(engine)
    first = asyncio.create_task(ask(router, stream=True))
    await eventually(lambda: engine.exchanges)
    second = asyncio.create_task(ask(router, stream=True))
    await gate.joined(router, 1)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    gate.open.set()
    status, body, _ = await second
    assert status == 200
    assert body.endswith(DONE)
    one, two = await records(fleet, 2)
    assert (one.reuse, one.outcome, one.output_tokens) == (Reuse.NONE, Outcome.COMPLETED, 2)
    assert (two.reuse, two.outcome, two.output_tokens) == (Reuse.COALESCED, Outcome.COMPLETED, 2)
    assert (await ask(router, stream=True))[2] == "hit", "and its answer is kept"


@pytest.mark.contract("D16")
async def test_those_who_wait_for_a_model_together_are_told_together(
    start: Callable[..., Any], engine: Engine, fleet: Fleet
) -> None:
    settings = {"wake_comment_after_s": 0.05, "wake_comment_every_s": 0.05}
    router = await start(settings=settings, is_coalesced=True, cache=CACHED)
    await fleet.put_endpoints(is_wakeable=True, wake_timeout_s=30.0, version_id="ver_1")
    await eventually(lambda: router.metric("roundhouse_router_endpoints", state="ready") == 0)
    engine.script = streams(chunk("hello"), usage_chunk(1, 1), DONE)
    async with router.post({"messages": MESSAGES, "stream": True}) as first:
        one = await first.content.readline()
        assert one == b": waiting for the model\n"
        second = asyncio.create_task(ask(router, stream=True))
        await eventually(lambda: router.metric("roundhouse_router_coalesced_requests_total") == 1)
        assert router.metric("roundhouse_router_held") == 1
        await fleet.put_endpoints(endpoint(engine.base_url), version_id="ver_1")
        one += await first.content.read()
    assert one == (await second)[1]
    assert one.endswith(DONE)
    status, later, said = await ask(router, stream=True)
    assert (status, said) == (200, "hit")
    assert b"waiting" not in later


@pytest.mark.contract("D16")
async def test_the_engine_stops_with_the_last_client(start: Callable[..., Any], engine: Engine, fleet: Fleet) -> None:
    router, gate = await start(is_coalesced=True), Gate(engine)
    asking = [asyncio.create_task(ask(router, stream=True)) for _ in range(2)]
    await gate.joined(router, 1)
    await eventually(lambda: engine.exchanges)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    await eventually(lambda: engine.exchanges[0].closed_at is not None)
    settled = await records(fleet, 2)
    assert {record.outcome for record in settled} == {Outcome.ABORTED}


@pytest.mark.contract("D16")
async def test_all_get_the_failure_of_shared_work(start: Callable[..., Any], engine: Engine, fleet: Fleet) -> None:
    router, go_on = await start(is_coalesced=True), asyncio.Event()

    async def fails(exchange: Exchange) -> None:
        await go_on.wait()
        await exchange.whole(400, b'{"error":{"message":"too long","type":"invalid_request_error","code":"x"}}')

    engine.script = fails
    asking = [asyncio.create_task(ask(router)) for _ in range(3)]
    await eventually(lambda: router.metric("roundhouse_router_coalesced_requests_total") == 2)
    go_on.set()
    found = await asyncio.gather(*asking)
    assert {(each[0], each[1]) for each in found} == {(400, found[0][1])}
    assert {record.outcome for record in await records(fleet, 3)} == {Outcome.FAILED}
    assert len(engine.exchanges) == 1


@pytest.mark.contract("D16")
async def test_who_wants_nothing_stored_shares_nothing(start: Callable[..., Any], engine: Engine) -> None:
    router, gate = await start(is_coalesced=True), Gate(engine)
    asking = [asyncio.create_task(ask(router, headers={"cache_control": "no-store"})) for _ in range(2)]
    await eventually(lambda: len(engine.exchanges) == 2)
    gate.open.set()
    assert [each[0] for each in await asyncio.gather(*asking)] == [200, 200]


async def keyed(router: RunningRouter, key: str = "k1", **changed: Any) -> tuple[int, bytes, str | None]:
    async with router.post({"messages": MESSAGES, **changed}, idempotency_key=key) as response:
        return response.status, await response.read(), response.headers.get("idempotent-replayed")


@pytest.mark.contract("D16")
@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_request_that_is_sent_again_is_worked_once(
    start: Callable[..., Any], engine: Engine, fleet: Fleet, is_stream: bool
) -> None:
    router = await start()
    if is_stream:
        engine.script = streams(chunk("hel"), chunk("lo"), usage_chunk(11, 2), DONE)
    first, second = await keyed(router, stream=is_stream), await keyed(router, stream=is_stream)
    assert first == (200, first[1], None)
    assert second == (200, first[1], "true")
    assert len(engine.exchanges) == 1
    status, body, _ = await keyed(router, stream=is_stream, seed=7)
    assert status == 422
    assert json.loads(body)["error"]["code"] == "idempotency_key_reused"
    one, two = await records(fleet, 2)
    assert (one.reuse, two.reuse, two.attempts) == (Reuse.NONE, Reuse.REPLAYED, 0)
    assert one.output_tokens == two.output_tokens > 0


@pytest.mark.contract("D16")
async def test_the_same_key_in_flight_is_told_to_wait(start: Callable[..., Any], engine: Engine) -> None:
    router, gate = await start(), Gate(engine)
    first = asyncio.create_task(keyed(router))
    await eventually(lambda: engine.exchanges)
    async with router.post({"messages": MESSAGES}, idempotency_key="k1") as response:
        assert response.status == 409
        assert response.headers["retry-after"] == "1"
        assert (await response.json())["error"]["code"] == "idempotency_key_in_use"
    gate.open.set()
    assert (await first)[0] == 200


@pytest.mark.contract("D16")
async def test_what_failed_or_was_given_up_can_be_sent_again(start: Callable[..., Any], engine: Engine) -> None:
    router = await start()
    engine.script = answers(503, {"error": {"message": "busy"}})
    assert (await keyed(router))[0] == 503
    gate = Gate(engine)
    left = asyncio.create_task(keyed(router))
    before = len(engine.exchanges)
    await eventually(lambda: len(engine.exchanges) > before)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    gate.open.set()
    await eventually(lambda: _is_answered(router))
    assert (await keyed(router))[2] == "true"


async def _is_answered(router: RunningRouter) -> bool:
    return (await keyed(router))[0] == 200


@pytest.mark.contract("D16")
async def test_a_refusal_by_the_engine_is_given_again(start: Callable[..., Any], engine: Engine, fleet: Fleet) -> None:
    router = await start()
    engine.script = answers(400, {"error": {"message": "too long"}})
    first, second = await keyed(router), await keyed(router)
    assert (first[0], second[0], second[2]) == (400, 400, "true")
    assert first[1] == second[1]
    assert [record.outcome for record in await records(fleet, 2)] == [Outcome.FAILED] * 2


@pytest.mark.contract("D16")
async def test_a_malformed_key_is_refused(start: Callable[..., Any]) -> None:
    router = await start()
    status, body, _ = await keyed(router, "x" * 300)
    assert (status, json.loads(body)["error"]["code"]) == (400, "invalid_idempotency_key")


@pytest.mark.contract("D16")
async def test_a_form_is_the_same_whatever_its_boundary(
    start: Callable[..., Any], engine: Engine, fleet: Fleet
) -> None:
    router = await start()
    engine.script = answers(body={"text": "hello", "usage": {"type": "duration", "seconds": 3}})
    said: list[tuple[int, str | None]] = []
    for edge in (b"edge", b"another", b"edge"):
        sound = b"other" if len(said) == 2 else b"sound"
        body = form(("model", b"tiny"), ("file", sound, "a.wav")).replace(b"edge", edge)
        kind = FORM.replace("edge", edge.decode())
        async with router.post(body, path="/v1/audio/transcriptions", content_type=kind, idempotency_key="k") as answer:
            said.append((answer.status, answer.headers.get("idempotent-replayed")))
    assert said == [(200, None), (200, "true"), (422, None)]
    assert len(engine.exchanges) == 1
    assert [record.audio_ms for record in await records(fleet, 2)] == [3000, 3000]


@pytest.mark.contract("D14")
async def test_images_and_sound_pass_a_route_that_has_a_cache(start: Callable[..., Any], engine: Engine) -> None:
    router = await start(cache=CACHED, is_coalesced=True)
    engine.script = answers(body={"text": "hello"})
    body = form(("model", b"tiny"), ("file", b"sound", "a.wav"))
    for _ in range(2):
        async with router.post(body, path="/v1/audio/transcriptions", content_type=FORM) as answer:
            assert (answer.status, answer.headers.get("x-roundhouse-cache")) == (200, None)
    assert len(engine.exchanges) == 2


@pytest.mark.contract("D16")
async def test_all_three_together(start: Callable[..., Any], engine: Engine, fleet: Fleet) -> None:
    router, gate = await start(cache=CACHED, is_coalesced=True), Gate(engine)
    asking = [asyncio.create_task(keyed(router, f"k{number}")) for number in range(3)]
    await gate.joined(router, 2)
    gate.open.set()
    found = await asyncio.gather(*asking)
    assert {each[:2] for each in found} == {(200, found[0][1])}
    for number in range(3):
        assert await keyed(router, f"k{number}") == (200, found[0][1], "true")
    assert (await ask(router))[2] == "hit"
    assert len(engine.exchanges) == 1
    told = [record.reuse for record in await records(fleet, 7)]
    assert sorted(told) == [Reuse.CACHED, *[Reuse.COALESCED] * 2, Reuse.NONE, *[Reuse.REPLAYED] * 3]

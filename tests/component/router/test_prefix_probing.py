"""What an engine's prefix cache knows of one tenant's prompts, another tenant does not find out by asking.

The engine is scripted: it remembers prompts as vLLM does, apart for each `cache_salt`, and says how much it remembered.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.routing import Access
from tests.support.eventually import eventually
from tests.support.running_router import Fleet, RunningRouter, api_key, endpoint, route
from tests.support.scripted_engine import DONE, Engine, Exchange, chunk, completion, sse

pytestmark = pytest.mark.contract("E03")

OURS, THEIRS = "rh-ours", "rh-theirs"
SECRET_PROMPT = [{"role": "user", "content": "what we will pay for them is"}]
SPOKEN = (Feature.CHAT.value, Feature.COMPLETIONS.value, Feature.MESSAGES.value, Feature.RESPONSES.value)
PATHS = ("/v1/chat/completions", "/v1/messages", "/v1/responses", "/api/chat")


class Cache:
    """What the engine remembers, and what it was sent."""

    def __init__(self) -> None:
        self.remembered: set[str] = set()
        self.seen: list[tuple[str, Any]] = []  # Any: JSON

    async def answer(self, exchange: Exchange) -> None:
        asked = exchange.json
        self.seen.append((exchange.path, asked))
        prompt = json.dumps([asked.get("cache_salt"), asked.get("messages") or asked.get("input")])
        cached = 90 if prompt in self.remembered else 0
        self.remembered.add(prompt)
        usage: dict[str, Any] = {"prompt_tokens": 100, "completion_tokens": 1, "output_tokens": 1}  # Any: JSON
        usage["input_tokens"] = 100 - cached if exchange.path == "/v1/messages" else 100
        usage["cache_read_input_tokens"] = cached
        usage["prompt_tokens_details"] = usage["input_tokens_details"] = {"cached_tokens": cached}
        if asked.get("stream"):
            await exchange.head()
            last = sse({"id": "c", "object": "chat.completion.chunk", "model": "tiny", "choices": [], "usage": usage})
            for data in (chunk("hi"), last, DONE):
                await exchange.send(data)
            await exchange.end()
            return
        text = [{"type": "text", "text": "hi"}]
        output = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}]
        told = {**completion("hi"), "usage": usage, "role": "assistant", "type": "message", "content": text}
        await exchange.whole(200, json.dumps({**told, "output": output, "status": "completed"}).encode())


@dataclass
class Platform:
    router: RunningRouter
    fleet: Fleet
    cache: Cache

    async def ask(self, secret: str, path: str = PATHS[0], *, is_fast: bool = True, **members: Any) -> int:  # Any: JSON
        """Return how many tokens of the prompt the engine had in its cache, as the request's record has it."""
        before = len(self.fleet.by_id)
        prompt = {"input": "what we will pay"} if path == "/v1/responses" else {"messages": SECRET_PROMPT}
        body = {"model": "tiny", "stream": False, "max_tokens": 1, **prompt, **members}
        headers = {"authorization": f"Bearer {secret}"} | ({} if is_fast else {"x-roundhouse-priority": "0"})
        async with self.router.session.post(path, json=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            await answer.read()
        await eventually(lambda: len(self.fleet.by_id) == before + 1)
        return max(self.fleet.by_id.values(), key=lambda record: record.sequence).cached_input_tokens

    @property
    def salts(self) -> list[str | None]:
        return [asked.get("cache_salt") for _, asked in self.cache.seen]

    async def serve(self, server: Engine, *, access: Access = Access.PUBLIC, **changed: Any) -> None:  # Any: Endpoint's
        await self.fleet.put_key(api_key(OURS, key_id="key_1"))
        await self.fleet.put_key(api_key(THEIRS, key_id="key_2", tenant_id="ten_other"))
        await self.fleet.put_route(route(access=access))
        shown = {"engine": EngineKind.VLLM, "features": SPOKEN, **changed}
        await self.fleet.put_endpoints(endpoint(server.base_url, **shown))
        await self.router.ready()


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[Engine]:
    async with Engine() as engine:
        yield engine


@pytest_asyncio.fixture
async def platform(tmp_path: Path, engine: Engine) -> AsyncIterator[Platform]:
    cache = Cache()
    engine.script = cache.answer
    async with Fleet() as fleet, RunningRouter(tmp_path, fleet) as router:
        yield Platform(router, fleet, cache)


@pytest.mark.parametrize("is_fast", [True, False], ids=["fast path", "pipeline"])
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("path", PATHS)
async def test_a_prompt_that_another_tenant_sent_is_not_in_the_cache(
    platform: Platform, engine: Engine, path: str, is_stream: bool, is_fast: bool
) -> None:
    if is_stream and path in PATHS[1:3]:
        pytest.skip("the scripted engine streams in OpenAI's chat only")
    await platform.serve(engine)
    how = {"stream": is_stream, "is_fast": is_fast}
    assert await platform.ask(OURS, path, **how) == 0
    assert await platform.ask(THEIRS, path, **how) == 0, "the other tenant can tell that the prompt was asked before"
    assert await platform.ask(OURS, path, **how) == 90, "one's own prompts are found again"
    ours, theirs, again = platform.salts
    assert ours
    assert theirs
    assert ours == again != theirs


async def test_both_ways_send_the_same_bytes(platform: Platform, engine: Engine) -> None:
    await platform.serve(engine)
    for members in ({}, {"stream": True}, {"cache_salt": "mine"}, {"stream": True, "stream_options": {}}):
        for is_fast in (True, False):
            await platform.ask(OURS, is_fast=is_fast, **members)
    bodies = [exchange.body for exchange in engine.exchanges]
    assert bodies[::2] == bodies[1::2]
    assert all(b"cache_salt" in body for body in bodies)


async def test_a_salt_of_the_callers_own_stays_within_its_tenant(platform: Platform, engine: Engine) -> None:
    await platform.serve(engine)
    assert await platform.ask(OURS, cache_salt="mine") == 0
    assert await platform.ask(THEIRS, cache_salt="mine") == 0
    assert await platform.ask(OURS) == 0, "within the tenant it keeps apart, as the caller asked"
    assert await platform.ask(OURS, cache_salt="mine") == 90
    assert await platform.ask(THEIRS, cache_salt=platform.salts[0]) == 0


async def test_a_deployment_of_one_tenant_is_sent_what_the_client_sent(platform: Platform, engine: Engine) -> None:
    await platform.serve(engine, access=Access.TENANT)
    await platform.ask(OURS)
    assert await platform.ask(OURS, cache_salt="mine") == 0
    assert platform.salts == [None, "mine"]


async def test_what_was_cached_before_a_route_was_opened_to_all_is_not_found(
    platform: Platform, engine: Engine
) -> None:
    await platform.serve(engine, access=Access.TENANT)
    await platform.ask(OURS)
    await platform.fleet.put_route(route(access=Access.PUBLIC))

    async def is_open() -> bool:
        async with platform.router.post({"messages": [{"content": "other"}]}, secret=THEIRS) as answer:
            return bool(answer.status == 200)

    await eventually(is_open)
    await eventually(lambda: len(platform.fleet.by_id) == 2)
    assert await platform.ask(THEIRS) == 0


@pytest.mark.parametrize(
    "kind", [EngineKind.UNKNOWN, EngineKind.LLAMA_CPP, EngineKind.LMDEPLOY, EngineKind.TRANSFORMERS]
)
async def test_an_engine_that_has_no_salts_is_sent_none(platform: Platform, engine: Engine, kind: EngineKind) -> None:
    await platform.serve(engine, engine=kind)
    await platform.ask(OURS)
    assert platform.salts == [None]


async def test_sglang_is_asked_in_openais_chat_where_its_messages_know_no_salt(
    platform: Platform, engine: Engine
) -> None:
    await platform.serve(engine, engine=EngineKind.SGLANG)
    await platform.ask(OURS, "/v1/messages")
    await platform.fleet.put_route(route("own", "dep_own"))
    await platform.fleet.put_endpoints(
        endpoint(engine.base_url, 2, engine=EngineKind.SGLANG, features=SPOKEN), deployment_id="dep_own"
    )

    async def is_there() -> bool:
        async with platform.router.post({"model": "own", "max_tokens": 1}, path="/v1/messages", secret=OURS) as answer:
            return bool(answer.status == 200)

    await eventually(is_there)
    assert [path for path, _ in platform.cache.seen] == ["/v1/chat/completions", "/v1/messages"]
    assert [salt is not None for salt in platform.salts] == [True, False]


async def test_it_can_be_turned_off(tmp_path: Path, engine: Engine) -> None:
    cache = Cache()
    engine.script = cache.answer
    async with Fleet() as fleet, RunningRouter(tmp_path, fleet, tenant_cache_salts=False) as router:
        platform = Platform(router, fleet, cache)
        await platform.serve(engine)
        assert await platform.ask(OURS) == 0
        assert await platform.ask(THEIRS) == 90
        assert platform.salts == [None, None]

"""Anthropic's `count_tokens` at the router: the engine's own count, or an estimate that says so."""

import json
from pathlib import Path
from typing import Any

import anthropic
import pytest

from roundhouse_common.contracts.catalog import EngineKind, ModelDefaults
from roundhouse_common.contracts.features import Feature
from tests.support.running_router import SECRET, Fleet, RunningRouter, api_key, endpoint, route
from tests.support.scripted_engine import Engine, Exchange

pytestmark = pytest.mark.contract("D11")

HI: Any = [{"role": "user", "content": "hi"}]
COUNT = "/v1/messages/count_tokens"


def serving(engine: Engine, **answers: Any) -> None:  # Any: JSON documents by path
    """Let the engine answer by path; others are not found."""

    async def script(exchange: Exchange) -> None:
        name = exchange.path.rsplit("/", 1)[1].replace("-", "_")
        status = 200 if name in answers else 404
        await exchange.whole(status, json.dumps(answers.get(name, {})).encode())

    engine.script = script


async def asked(router: RunningRouter, **changed: Any) -> tuple[int, str]:  # Any: members of the request
    async with router.post({"messages": HI, **changed}, path=COUNT) as answer:
        assert answer.status == 200, await answer.text()
        return (await answer.json())["input_tokens"], answer.headers["x-roundhouse-token-count"]


@pytest.mark.parametrize(
    ("kind", "features", "paths"),
    [
        (EngineKind.VLLM, (Feature.CHAT, Feature.MESSAGES, Feature.TOKENIZE), [COUNT]),
        (EngineKind.VLLM, (Feature.CHAT, Feature.TOKENIZE), ["/tokenize"]),
        (EngineKind.LLAMA_CPP, (Feature.CHAT, Feature.TOKENIZE), ["/apply-template", "/tokenize"]),
    ],
)
async def test_the_engine_counts(
    tmp_path: Path, fleet: Fleet, engine: Engine, kind: EngineKind, features: Any, paths: list[str]
) -> None:
    serving(engine, count_tokens={"input_tokens": 3}, tokenize={"tokens": [1, 2, 3]}, apply_template={"prompt": "P"})
    async with RunningRouter(tmp_path, fleet) as running:
        await fleet.serve(engine, engine=kind, features=features, served_model="inner")
        await running.ready()
        assert await asked(running, system="be kind") == (3, "engine")
        assert [exchange.path for exchange in engine.exchanges] == paths
        assert engine.exchanges[0].json["model"] == "inner"
        async with anthropic.AsyncAnthropic(base_url=running.url, api_key=SECRET, max_retries=0) as client:
            assert (await client.messages.count_tokens(model="tiny", messages=HI)).input_tokens == 3
    assert not fleet.records, "nothing was generated"


async def test_the_words_of_the_models_owner_are_counted_too(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    serving(engine, tokenize={"count": 9})
    known = endpoint(engine.base_url, engine=EngineKind.VLLM, features=(Feature.CHAT, Feature.TOKENIZE))
    async with RunningRouter(tmp_path, fleet) as running:
        await fleet.put_key(api_key())
        await fleet.put_route(route())
        await fleet.put_endpoints(known, defaults=ModelDefaults(system_message="Be kind."))
        await running.ready()
        assert await asked(running) == (9, "engine")
    assert engine.exchanges[0].json["messages"] == [{"role": "system", "content": "Be kind."}, *HI]


async def test_without_a_tokenizer_it_is_an_estimate(router: RunningRouter, engine: Engine) -> None:
    assert await asked(router, messages=[{"role": "user", "content": "x" * 400}]) == (104, "estimate")
    assert not engine.exchanges


async def test_an_engine_that_fails_to_count_is_not_held_against_the_caller_nor_the_engine(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    serving(engine)
    async with RunningRouter(tmp_path, fleet) as running:
        await fleet.serve(engine, engine=EngineKind.VLLM, features=(Feature.CHAT, Feature.TOKENIZE))
        await running.ready()
        for _ in range(6):
            assert (await asked(running))[1] == "estimate"
        assert len(engine.exchanges) == 6, "it was asked each time"


async def test_refusals_are_in_anthropics_shape(router: RunningRouter) -> None:
    async with router.post({"messages": []}, path=COUNT) as answer:
        assert answer.status == 400
        told = await answer.json()
    assert told["error"]["type"] == "invalid_request_error"
    assert told["request_id"] == answer.headers["request-id"]
    async with router.session.get(COUNT) as answer:
        assert answer.status == 405
    async with router.post({"model": "nope", "messages": HI}, path=COUNT) as answer:
        assert answer.status == 404

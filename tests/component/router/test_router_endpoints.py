"""Endpoints that a model's engine does not have are refused by the router, never passed on blind."""

import asyncio

import pytest

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.usage import Outcome
from tests.component.router.test_router_refusals import refusal
from tests.component.router.test_router_waking import held
from tests.support.eventually import eventually
from tests.support.running_router import Fleet, RunningRouter, endpoint
from tests.support.scripted_engine import Engine

TEXT = ("chat", "completions")


@pytest.mark.contract("A11", "D11")
async def test_an_endpoint_that_no_engine_has_is_refused_and_the_engine_is_not_asked(
    router: RunningRouter, fleet: Fleet, engine: Engine
) -> None:
    await fleet.serve(engine, engine=EngineKind.LLAMA_CPP, features=TEXT)

    async def is_refused() -> bool:
        async with router.post({"input": "x"}, path="/v1/embeddings") as answer:
            return bool(answer.status == 404)

    await eventually(is_refused)
    before = len(engine.exchanges)
    error = await refusal(router.post({"input": "x"}, path="/v1/embeddings"), 404)
    assert (error["code"], error["type"]) == ("endpoint_not_served", "invalid_request_error")
    assert "llama.cpp" in error["message"]
    assert "/v1/chat/completions and /v1/completions" in error["message"]
    async with router.post() as answer:
        assert answer.status == 200
    assert [exchange.path for exchange in engine.exchanges[before:]] == ["/v1/chat/completions"]


async def test_of_several_engines_only_those_that_have_the_endpoint_are_asked(
    router: RunningRouter, fleet: Fleet, engine: Engine
) -> None:
    async with Engine() as other:
        await fleet.put_endpoints(
            endpoint(engine.base_url, 1, features=TEXT), endpoint(other.base_url, 2, features=("embeddings",))
        )

        async def is_known() -> bool:
            async with router.post({"input": "x"}, path="/v1/embeddings") as answer:
                return bool(answer.status == 200 and other.exchanges)

        await eventually(is_known)
        before = len(engine.exchanges)
        for _ in range(4):
            async with router.post({"input": "x"}, path="/v1/embeddings") as answer:
                assert answer.status == 200
        assert len(engine.exchanges) == before


async def test_a_model_that_woke_with_another_engine_is_refused_with_its_reason(
    router: RunningRouter, fleet: Fleet, engine: Engine
) -> None:
    await fleet.put_endpoints(is_wakeable=True, wake_timeout_s=30.0)
    asking = asyncio.ensure_future(refusal(router.post({"prompt": "x"}, path="/v1/completions"), 404))
    await eventually(lambda: held(router) == 1)
    await fleet.put_endpoints(endpoint(engine.base_url, features=("chat",)), is_wakeable=True, wake_timeout_s=30.0)
    error = await asking
    assert error["code"] == "endpoint_not_served"
    assert engine.exchanges == []
    record = await fleet.one_record()
    assert (record.outcome, record.error_code) == (Outcome.FAILED, "endpoint_not_served")

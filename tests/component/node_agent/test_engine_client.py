"""Asking an engine how busy it is."""

import pytest

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.runtime import UnixTime
from roundhouse_node_agent.domain.engine_run import EngineRun, EngineSample
from roundhouse_node_agent.engines.client import EngineClient
from roundhouse_node_agent.engines.llama_cpp import LlamaCpp
from roundhouse_node_agent.engines.xinference import Xinference
from tests.support.scheduler_stub import an_assignment
from tests.support.scripted_engine import Engine, Exchange

ENGINE = LlamaCpp()


async def metrics_in_two_parts(exchange: Exchange) -> None:
    await exchange.head(kind="text/plain")
    await exchange.send(b"llamacpp:requests_processing 2\n")
    await exchange.send(b"llamacpp:requests_deferred 3\n")
    await exchange.end()


def run_at(base_url: str, engine: EngineKind = EngineKind.LLAMA_CPP) -> EngineRun:
    return EngineRun(
        replica_id="rep_1",
        attempt=1,
        launch=1,
        assignment=an_assignment(engine=engine),
        epoch=1,
        pid=1,
        port=1,
        base_url=base_url,
        started_at=UnixTime(0.0),
    )


async def test_metrics_that_arrive_in_parts_are_read_whole() -> None:
    async with Engine(metrics_in_two_parts) as engine, EngineClient() as client:
        assert await client.sample(ENGINE, run_at(engine.base_url)) == EngineSample(running=2, waiting=3)


@pytest.mark.parametrize(("listed", "is_ready"), [("[]", False), ('[{"id":"smol","object":"model"}]', True)])
async def test_an_engine_that_lists_its_models_is_ready_once_ours_is_among_them(listed: str, is_ready: bool) -> None:
    async def lists(exchange: Exchange) -> None:
        await exchange.head(kind="application/json")
        await exchange.send(f'{{"object":"list","data":{listed}}}'.encode())
        await exchange.end()

    async with Engine(lists) as engine, EngineClient() as client:
        health = await client.health(Xinference(), run_at(engine.base_url, EngineKind.XINFERENCE))

    assert health.is_ready is is_ready

"""Asking an engine how busy it is."""

from roundhouse_common.runtime import UnixTime
from roundhouse_node_agent.domain.engine_run import EngineRun, EngineSample
from roundhouse_node_agent.engines.client import EngineClient
from roundhouse_node_agent.engines.llama_cpp import LlamaCpp
from tests.support.scheduler_stub import an_assignment
from tests.support.scripted_engine import Engine, Exchange

ENGINE = LlamaCpp()


async def metrics_in_two_parts(exchange: Exchange) -> None:
    await exchange.head(kind="text/plain")
    await exchange.send(b"llamacpp:requests_processing 2\n")
    await exchange.send(b"llamacpp:requests_deferred 3\n")
    await exchange.end()


async def test_metrics_that_arrive_in_parts_are_read_whole() -> None:
    async with Engine(metrics_in_two_parts) as engine, EngineClient() as client:
        run = EngineRun(
            replica_id="rep_1",
            attempt=1,
            launch=1,
            assignment=an_assignment(),
            epoch=1,
            pid=1,
            port=1,
            base_url=engine.base_url,
            started_at=UnixTime(0.0),
        )
        assert await client.sample(ENGINE, run) == EngineSample(running=2, waiting=3)

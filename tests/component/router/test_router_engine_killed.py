"""An engine that is killed under many concurrent streams: nobody who has seen nothing yet sees an error."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from tests.support.eventually import eventually
from tests.support.running_router import Fleet, RunningRouter, api_key, endpoint, route
from tests.support.scripted_engine import DONE, Engine, Exchange, chunk


@pytest.mark.contract("D08")
@pytest.mark.parametrize("count", [2, 4])
async def test_before_the_first_token_every_stream_goes_on_elsewhere(tmp_path: Path, fleet: Fleet, count: int) -> None:
    go = asyncio.Event()

    async def speaks_when_told(exchange: Exchange) -> None:
        await exchange.head()
        await go.wait()
        await exchange.send(chunk("hello"))
        await exchange.send(DONE)
        await exchange.end()

    async def stream(router: RunningRouter) -> tuple[int, bytes]:
        async with router.stream() as answer:
            return answer.status, await answer.read()

    async with contextlib.AsyncExitStack() as stack:
        engines = [await stack.enter_async_context(Engine(speaks_when_told)) for _ in range(count)]
        router = await stack.enter_async_context(RunningRouter(tmp_path, fleet))
        await fleet.put_key(api_key())
        await fleet.put_route(route())
        await fleet.put_endpoints(*(endpoint(engine.base_url, n) for n, engine in enumerate(engines)))
        await eventually(lambda: router.metric("roundhouse_router_endpoints", state="ready") == count)
        await router.ready()
        asking = [asyncio.ensure_future(stream(router)) for _ in range(100)]
        await eventually(lambda: sum(len(engine.exchanges) for engine in engines) == 100)
        engines[0].stop()
        await eventually(lambda: sum(len(engine.exchanges) for engine in engines[1:]) == 100)
        go.set()
        answers = await asyncio.gather(*asking)
        assert [status for status, _ in answers] == [200] * 100
        assert all(b"hello" in body and DONE in body for _, body in answers)
        await eventually(lambda: len(fleet.by_id) == 100)
        assert {record.outcome for record in fleet.by_id.values()} == {"completed"}

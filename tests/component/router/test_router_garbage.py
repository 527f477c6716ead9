"""What a request used is freed when it ends: nothing of it waits in a cycle for the collector, which counts objects,
not the bytes of bodies that they hold."""

import asyncio
import gc
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from roundhouse_common.contracts.routing import RouteCache
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.running_router import Fleet, RunningRouter, endpoint, route
from tests.support.scripted_engine import DONE, Engine, Exchange, answers, chunk, completion, streams

REQUESTS = 5
Traffic = Callable[[RunningRouter, Engine], Awaitable[None]]


def cycles() -> Counter[str]:
    """Return what of the router only the collector would have found, by class."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        return Counter(type(one).__name__ for one in gc.garbage if type(one).__module__.startswith("roundhouse_router"))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


async def wholes(router: RunningRouter, engine: Engine) -> None:
    engine.script = answers(200, completion())
    async with router.post({}) as answer:
        await answer.read()


async def broken_wholes(router: RunningRouter, engine: Engine) -> None:
    async def breaks(exchange: Exchange) -> None:
        await exchange.raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{")
        exchange.hang_up()

    engine.script = breaks
    async with router.post({}) as answer:
        await answer.read()


async def engines_that_hang_up(router: RunningRouter, engine: Engine) -> None:
    async def hangs_up(exchange: Exchange) -> None:
        exchange.hang_up()

    engine.script = hangs_up
    async with router.post({}) as answer:
        await answer.read()


async def ended_streams(router: RunningRouter, engine: Engine) -> None:
    engine.script = streams(chunk("one"), chunk("two"), DONE)
    async with router.stream() as answer:
        await answer.read()


async def broken_streams(router: RunningRouter, engine: Engine) -> None:
    async def breaks(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.send(chunk("one"))
        exchange.hang_up()

    engine.script = breaks
    async with router.stream() as answer:
        await answer.read()


async def translated_streams_without_an_end(router: RunningRouter, engine: Engine) -> None:
    engine.script = streams(chunk("one"), DONE)
    async with router.post({"messages": [{"role": "user", "content": "hi"}]}, path="/api/chat") as answer:
        assert b"error" in await answer.read()


async def left_streams(router: RunningRouter, engine: Engine) -> None:
    async def goes_on(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.send(chunk("one"))
        await exchange.silence()

    engine.script = goes_on
    answer = await router.stream()
    await answer.content.readany()
    answer.close()
    await eventually(lambda: not engine.open_connections)


async def shared_streams(router: RunningRouter, engine: Engine) -> None:
    engine.script = streams(chunk("one"), DONE)

    async def one() -> None:
        async with router.stream(model="shared") as answer:
            await answer.read()

    await asyncio.gather(one(), one())


async def refusals(router: RunningRouter, engine: Engine) -> None:
    async with router.post({"model": "unknown"}) as answer:
        await answer.read()


async def dead_engines(router: RunningRouter, engine: Engine) -> None:
    async with router.post({"model": "dead"}) as answer:
        await answer.read()


@pytest.mark.parametrize(
    "traffic",
    [
        wholes,
        broken_wholes,
        engines_that_hang_up,
        ended_streams,
        broken_streams,
        translated_streams_without_an_end,
        left_streams,
        shared_streams,
        refusals,
        dead_engines,
    ],
)
async def test_an_ended_request_leaves_nothing_to_the_collector(
    router: RunningRouter, fleet: Fleet, engine: Engine, traffic: Traffic
) -> None:
    await fleet.put_route(route("shared", is_coalesced=True, cache=RouteCache(ttl_s=0)))
    await fleet.put_route(route("dead", "dep_dead"))
    await fleet.put_endpoints(endpoint(f"http://127.0.0.1:{free_port()}"), deployment_id="dep_dead")
    await traffic(router, engine)  # what is made once, and the table before this one
    await _rested(router)
    gc.disable()
    try:
        cycles()
        for _ in range(REQUESTS):
            await traffic(router, engine)
        await _rested(router)
        assert not cycles()
    finally:
        gc.enable()


async def _rested(router: RunningRouter) -> None:
    """Wait until no request is in flight, and what ended with the last one has run."""
    await eventually(lambda: router.metric("roundhouse_router_in_flight") == 0)
    for _ in range(10):
        await asyncio.sleep(0)

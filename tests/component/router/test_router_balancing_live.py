"""Strategies, fallbacks and ejection through the whole router, against scripted engines."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from roundhouse_common.contracts.base import Service as ServiceName
from roundhouse_common.contracts.demand import PrefixSeen, RouterState
from roundhouse_common.contracts.registry import ROUTER_STATE
from roundhouse_common.contracts.routing import Balancing, RouteMatch, RouteTarget, Strategy
from roundhouse_common.contracts.scheduler import EndpointState
from tests.support.eventually import eventually
from tests.support.running_router import Fleet, RunningRouter, api_key, endpoint, route
from tests.support.scripted_engine import Engine, Exchange, answers, completion

SYSTEM = "You are a helpful assistant of the railway. " * 20
VECTORS = b'{"object":"list","model":"tiny","data":[],"usage":{"prompt_tokens":1,"total_tokens":1}}'


@contextlib.asynccontextmanager
async def engines(count: int) -> AsyncIterator[list[Engine]]:
    async with contextlib.AsyncExitStack() as stack:
        found = [await stack.enter_async_context(Engine()) for _ in range(count)]
        for engine in found:
            engine.script = answers(200, completion("ok"))
        yield found


@contextlib.asynccontextmanager
async def serving(
    tmp_path: Path,
    fleet: Fleet,
    found: list[Engine],
    *,
    regions: tuple[str, ...] = (),
    region: str = "",
    **of_the_route: Any,  # Any: fields of RouteRecord
) -> AsyncIterator[RunningRouter]:
    async with RunningRouter(tmp_path, fleet, region=region, state_interval_s=0.05) as router:
        await fleet.put_key(api_key())
        await fleet.put_route(route(**of_the_route))
        placed = regions or ("",) * len(found)
        await fleet.put_endpoints(
            *(
                endpoint(engine.base_url, n, region=where)
                for n, (engine, where) in enumerate(zip(found, placed, strict=True))
            )
        )
        await router.ready()
        await eventually(lambda: asked(router))
        for engine in found:
            engine.exchanges.clear()
        yield router


async def asked(router: RunningRouter) -> bool:
    async with router.post() as answer:
        return bool(answer.status == 200)


async def ask(router: RunningRouter, user: str = "", text: str = "", **headers: str) -> None:
    body = {"messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}], "user": user}
    async with router.post(body, **headers) as answer:
        assert answer.status == 200, await answer.text()


def counts(found: list[Engine]) -> list[int]:
    return [len(engine.exchanges) for engine in found]


@pytest.mark.contract("D05")
async def test_requests_take_turns(tmp_path: Path, fleet: Fleet) -> None:
    async with (
        engines(3) as found,
        serving(tmp_path, fleet, found, balancing=Balancing(strategy=Strategy.ROUND_ROBIN)) as router,
    ):
        for _ in range(9):
            await ask(router)
        assert counts(found) == [3, 3, 3]


@pytest.mark.contract("D07")
async def test_weights_by_replica_hold_exactly(tmp_path: Path, fleet: Fleet) -> None:
    balancing = Balancing(strategy=Strategy.WEIGHTED, weights={"rep_0": 3, "rep_1": 1})
    async with engines(2) as found, serving(tmp_path, fleet, found, balancing=balancing) as router:
        for _ in range(8):
            await ask(router)
        assert counts(found) == [6, 2]


async def test_a_session_stays_and_a_prompt_comes_back_to_its_engine(tmp_path: Path, fleet: Fleet) -> None:
    session = Balancing(strategy=Strategy.SESSION_AFFINITY, session_header="x-session")
    async with engines(4) as found, serving(tmp_path, fleet, found, balancing=session) as router:
        for number in range(12):
            await ask(router, text=f"turn {number}", x_session="abc")
        assert sorted(counts(found)) == [0, 0, 0, 12]
        await fleet.put_route(route(balancing=Balancing(strategy=Strategy.PREFIX_AFFINITY)))
        await eventually(lambda: is_route(router, Strategy.PREFIX_AFFINITY))
        before = Counter(dict(enumerate(counts(found))))
        for number in range(12):
            await ask(router, text=f"turn {number}")
        asked_now = Counter(dict(enumerate(counts(found)))) - before
        assert sorted(asked_now.values()) == [12]


def is_route(router: RunningRouter, strategy: Strategy) -> bool:
    snapshot = router.settings.state_dir / "snapshot.json"
    return snapshot.exists() and f'"strategy":"{strategy.value}"'.encode() in snapshot.read_bytes()


async def test_two_routers_send_one_prompt_to_one_engine(tmp_path: Path, fleet: Fleet) -> None:
    balancing = Balancing(strategy=Strategy.PREFIX_AFFINITY)
    async with (
        engines(4) as found,
        serving(tmp_path / "one", fleet, found, balancing=balancing) as one,
        serving(tmp_path / "two", fleet, found, balancing=balancing) as two,
    ):
        third, told = fleet.bus_of(ServiceName.ROUTER), list[PrefixSeen]()

        async def hear(state: RouterState, ids: tuple[str, ...]) -> None:
            told.extend(state.prefixes)

        await third.connect()
        await third.subscribe(ROUTER_STATE, hear)
        await ask(one)
        (home,) = [number for number, count in enumerate(counts(found)) if count]
        await eventually(lambda: {seen.replica_id for seen in told} == {f"rep_{home}"})
        await third.close()
        for _ in range(4):
            await ask(two)
        assert counts(found)[home] == 5


@pytest.mark.contract("D09")
async def test_a_header_leads_to_the_canary_and_everybody_else_past_it(tmp_path: Path, fleet: Fleet) -> None:
    targets = (
        RouteTarget(deployment_id="dep_2", match=RouteMatch(header="x-canary", value="yes")),
        RouteTarget(deployment_id="dep_1"),
    )
    async with engines(2) as found, serving(tmp_path, fleet, found[:1], targets=targets) as router:
        await fleet.put_endpoints(endpoint(found[1].base_url, 9), deployment_id="dep_2")
        await eventually(lambda: asked_with(router, x_canary="yes"))
        for engine in found:
            engine.exchanges.clear()
        for number in range(6):
            await ask(router, **({"x_canary": "yes"} if number % 2 else {}))
        assert counts(found) == [3, 3]


async def asked_with(router: RunningRouter, **headers: str) -> bool:
    async with router.post({}, **headers) as answer:
        return bool(answer.status == 200)


async def test_an_engine_that_fails_is_ejected_and_comes_back_when_it_answers(tmp_path: Path, fleet: Fleet) -> None:
    async with engines(2) as found, serving(tmp_path, fleet, found) as router:
        found[0].script = answers(500, {"error": {"message": "broken"}})
        await eventually(lambda: asked_until_ejected(router), within_s=20, every_s=0.3)
        failed = len(found[0].exchanges)
        for _ in range(20):
            await ask(router)
        assert len(found[0].exchanges) == failed
        found[0].script = answers(200, completion("ok"))
        await eventually(lambda: asked_until_readmitted(router), within_s=20, every_s=0.3)


async def asked_until_ejected(router: RunningRouter) -> bool:
    await asyncio.gather(*(ask(router) for _ in range(12)))
    return router.metric("roundhouse_router_ejected") == 1


async def asked_until_readmitted(router: RunningRouter) -> bool:
    await ask(router)
    return router.metric("roundhouse_router_ejected") == 0


async def test_engines_of_the_own_region_are_asked_first(tmp_path: Path, fleet: Fleet) -> None:
    regions = ("west", "east", "east")
    async with engines(3) as found, serving(tmp_path, fleet, found, regions=regions, region="east") as router:
        for _ in range(6):
            await ask(router)
        assert counts(found) == [0, 3, 3]


async def test_a_retry_finds_the_endpoint_that_came_while_the_first_one_was_asked(tmp_path: Path, fleet: Fleet) -> None:
    async with engines(2) as found, serving(tmp_path, fleet, found[:1]) as router:
        replaced = asyncio.Event()

        async def fails_late(exchange: Exchange) -> None:
            await replaced.wait()
            await exchange.whole(503, b"{}")

        found[0].script = fails_late
        asking = asyncio.ensure_future(ask(router))
        await eventually(lambda: len(found[0].exchanges) == 1)
        await fleet.put_endpoints(endpoint(found[1].base_url, 7, state=EndpointState.SUSPECT))
        await eventually(lambda: router.metric("roundhouse_router_endpoints", state="suspect") == 1)
        replaced.set()
        await asking
        assert counts(found) == [1, 1]


async def test_embeddings_go_to_the_engine_that_answers_sooner(tmp_path: Path, fleet: Fleet) -> None:
    async def slowly(exchange: Exchange) -> None:
        await asyncio.sleep(0.05)
        await exchange.whole(200, VECTORS)

    async def at_once(exchange: Exchange) -> None:
        await exchange.whole(200, VECTORS)

    balancing = Balancing(strategy=Strategy.LOWEST_LATENCY)
    async with engines(2) as found, serving(tmp_path, fleet, found, balancing=balancing) as router:
        found[0].script, found[1].script = slowly, at_once
        for _ in range(40):
            async with router.post({"input": "hello"}, path="/v1/embeddings") as answer:
                assert answer.status == 200
        assert counts(found)[1] >= 30

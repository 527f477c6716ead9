"""Requests that wait for room at an engine: by priority, so many, so long; the next one goes as soon as one ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from roundhouse_common.contracts.routing import RouteQueue
from roundhouse_common.contracts.usage import Outcome
from tests.support.eventually import eventually
from tests.support.running_router import Fleet, RunningRouter, api_key, endpoint, route
from tests.support.scripted_engine import Engine, Exchange, completion

HIGH, LOW = "rh-" + "h" * 43, "rh-" + "l" * 43


class Gate:
    """The only engine: it answers one request each time it is let."""

    def __init__(self, engine: Engine) -> None:
        self.asked: list[str] = []
        self._passes = asyncio.Semaphore(0)
        engine.script = self._script

    def open(self, times: int = 1) -> None:
        for _ in range(times):
            self._passes.release()

    async def _script(self, exchange: Exchange) -> None:
        self.asked.append(exchange.json["user"])
        await self._passes.acquire()
        await exchange.whole(200, json.dumps(completion()).encode())


class Clients:
    """Requests that are under way, each under a name that the engine sees."""

    def __init__(self, router: RunningRouter) -> None:
        self._router = router
        self._tasks: list[asyncio.Task[tuple[int, str]]] = []

    async def ask(self, user: str, **more: Any) -> "asyncio.Task[tuple[int, str]]":  # Any: key and headers
        """Begin a request; return when it waits, or is with the engine. Its task tells status and error code."""
        before = self._router.metric("roundhouse_router_in_flight")
        self._tasks.append(asyncio.create_task(self._ask(user, more), name=user))
        await eventually(lambda: self._router.metric("roundhouse_router_in_flight") > before)
        return self._tasks[-1]

    async def refused(self, user: str) -> tuple[int, str]:
        return await self._ask(user, {})

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ask(self, user: str, more: dict[str, Any]) -> tuple[int, str]:  # Any: as above
        body = {"user": user, "model": more.pop("model", "tiny")}
        async with self._router.post(body, **more) as answer:
            return answer.status, (await answer.json()).get("error", {}).get("code", "")


@asynccontextmanager
async def queueing(
    tmp_path: Path, fleet: Fleet, engine: Engine, **changed: Any
) -> AsyncIterator[tuple[RunningRouter, Clients]]:  # Any: fields of RouteQueue
    """A router that lets one request at a time go to the engine."""
    fields = {"in_flight_per_endpoint": 1, "max_waiting": 10, "deadline_s": 30.0, **changed}
    await fleet.put_key(api_key())
    await fleet.put_key(api_key(HIGH, key_id="key_high", priority=5))
    await fleet.put_key(api_key(LOW, key_id="key_low", priority=-5))
    await fleet.put_route(route(queue=RouteQueue(**fields)))
    await fleet.put_endpoints(endpoint(engine.base_url))
    async with RunningRouter(tmp_path, fleet) as router:
        await router.ready()
        clients = Clients(router)
        try:
            yield router, clients
        finally:
            await clients.stop()


def held(router: RunningRouter) -> float:
    return router.metric("roundhouse_router_held")


async def test_requests_that_wait_go_by_priority_and_then_by_age(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    gate = Gate(engine)
    async with queueing(tmp_path, fleet, engine) as (router, clients):
        tasks = [await clients.ask("first")]
        await eventually(lambda: gate.asked)
        tasks += [await clients.ask("low", secret=LOW), await clients.ask("one"), await clients.ask("two")]
        tasks += [await clients.ask("high", secret=HIGH)]
        tasks += [await clients.ask("modest", secret=HIGH, x_roundhouse_priority="-1")]
        assert held(router) == 5
        gate.open(6)
        assert {status for status, _ in await asyncio.gather(*tasks)} == {200}
    assert gate.asked == ["first", "high", "one", "two", "modest", "low"]


async def test_a_key_cannot_ask_for_more_than_its_priority(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    gate = Gate(engine)
    async with queueing(tmp_path, fleet, engine) as (_, clients):
        tasks = [await clients.ask("first")]
        await eventually(lambda: gate.asked)
        tasks += [await clients.ask("one"), await clients.ask("greedy", x_roundhouse_priority="100")]
        gate.open(3)
        await asyncio.gather(*tasks)
    assert gate.asked == ["first", "one", "greedy"]


async def test_one_more_than_may_wait_is_refused_with_429(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    gate = Gate(engine)
    async with queueing(tmp_path, fleet, engine, max_waiting=2) as (router, clients):
        tasks = [await clients.ask("first")]
        await eventually(lambda: gate.asked)
        tasks += [await clients.ask("one"), await clients.ask("two")]
        assert await clients.refused("three") == (429, "rate_limit_exceeded")
        assert router.metric("roundhouse_router_holds_refused_total") == 1
        gate.open(3)
        assert [status for status, _ in await asyncio.gather(*tasks)] == [200, 200, 200]


async def test_a_route_counts_only_who_waits_for_itself(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    gate = Gate(engine)
    await fleet.put_route(
        route("other", queue=RouteQueue(in_flight_per_endpoint=1, max_waiting=1, deadline_s=30.0)),
    )
    async with queueing(tmp_path, fleet, engine) as (router, clients):
        await clients.ask("first")
        await eventually(lambda: gate.asked)
        await clients.ask("one")
        await clients.ask("two")
        await clients.ask("three", model="other")
        await eventually(lambda: held(router) == 3)
        async with router.post({"user": "four", "model": "other"}) as answer:
            assert answer.status == 429


async def test_who_waited_as_long_as_the_route_allows_gets_503(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    gate = Gate(engine)
    async with queueing(tmp_path, fleet, engine, deadline_s=0.1) as (router, clients):
        first = await clients.ask("first")
        await eventually(lambda: gate.asked)
        assert await clients.refused("late") == (503, "engines_busy")
        assert held(router) == 0
        gate.open()
        assert (await first)[0] == 200
        await eventually(lambda: len(fleet.records) == 2)
    late = next(record for record in fleet.records if record.error_code == "engines_busy")
    assert (late.outcome, late.attempts, late.http_status) == (Outcome.FAILED, 0, 503)
    assert late.queued_ms >= 100
    assert gate.asked == ["first"]


async def test_a_place_that_comes_free_wakes_only_the_first_in_line(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    gate = Gate(engine)
    async with queueing(tmp_path, fleet, engine) as (router, clients):
        first = await clients.ask("first")
        await eventually(lambda: gate.asked)
        await clients.ask("one")
        await clients.ask("two")
        gate.open()
        assert (await first)[0] == 200
        await eventually(lambda: gate.asked == ["first", "one"])
        assert held(router) == 1


async def test_a_client_that_leaves_the_line_lets_the_next_one_pass(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    gate = Gate(engine)
    async with queueing(tmp_path, fleet, engine) as (router, clients):
        await clients.ask("first")
        await eventually(lambda: gate.asked)
        leaving = await clients.ask("leaving")
        staying = await clients.ask("staying")
        leaving.cancel()
        await eventually(lambda: held(router) == 1)
        gate.open(2)
        assert (await staying)[0] == 200
    assert gate.asked == ["first", "staying"]


async def test_an_engine_that_comes_takes_the_first_in_line(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    gate = Gate(engine)
    async with queueing(tmp_path, fleet, engine) as (_, clients), Engine() as other:
        await clients.ask("first")
        await eventually(lambda: gate.asked)
        waiting = await clients.ask("waiting")
        await fleet.put_endpoints(endpoint(engine.base_url), endpoint(other.base_url, 2))
        assert (await waiting)[0] == 200
        assert [exchange.json["user"] for exchange in other.exchanges] == ["waiting"]

"""Requests that come at once are spread by what is in flight, also to engines that no connection is open to yet."""

import asyncio
from pathlib import Path

import pytest

from tests.support.eventually import eventually
from tests.support.running_router import Fleet, RunningRouter
from tests.support.scripted_engine import Engine, Exchange, answers, completion

CROWD = 60


@pytest.mark.contract("D05")
async def test_a_crowd_at_a_router_with_one_open_connection_is_spread_evenly(tmp_path: Path, fleet: Fleet) -> None:
    may_answer = asyncio.Event()
    answering = answers(200, completion("ok"))

    async def held(exchange: Exchange) -> None:
        await may_answer.wait()
        await answering(exchange)

    async def ask() -> int:
        async with router.post() as got:
            await got.read()
            return int(got.status)

    async with Engine(answering) as one, Engine(answering) as two, Engine(answering) as three:
        around = (one, two, three)
        async with RunningRouter(tmp_path, fleet) as router:
            await fleet.serve(*around)
            await router.ready()
            assert await ask() == 200
            before = [len(engine.exchanges) for engine in around]
            for engine in around:
                engine.script = held
            asking = asyncio.gather(*(ask() for _ in range(CROWD)))
            await eventually(lambda: sum(len(engine.exchanges) for engine in around) - sum(before) == CROWD)
            shares = [len(engine.exchanges) - had for engine, had in zip(around, before, strict=True)]
            may_answer.set()
            assert set(await asking) == {200}
    assert max(shares) - min(shares) <= 1, shares

"""What routers tell of the demand: all of it, every interval."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from roundhouse_common.contracts.demand import DeploymentDemand, RouterDemand
from roundhouse_common.contracts.registry import DEMAND
from tests.support.eventually import eventually
from tests.support.running_router import Fleet, RunningRouter
from tests.support.scripted_engine import DONE, Engine, Exchange, chunk, streams


class Heard(list[RouterDemand]):
    async def take(self, message: RouterDemand, ids: tuple[str, ...]) -> None:
        assert ids == (message.router_id,)
        self.append(message)

    @property
    def last(self) -> DeploymentDemand | None:
        """What the newest message says of the one deployment."""
        return self[-1].deployments[0] if self and self[-1].deployments else None


@pytest_asyncio.fixture
async def heard(fleet: Fleet) -> Heard:
    heard = Heard()
    await fleet.hear(DEMAND, heard.take)
    return heard


@pytest_asyncio.fixture
async def telling(tmp_path: Path, fleet: Fleet, engine: Engine, heard: Heard) -> AsyncIterator[RunningRouter]:
    async with RunningRouter(tmp_path, fleet, demand_interval_s=0.05) as running:
        await fleet.serve(engine)
        await running.ready()
        yield running


async def test_requests_in_flight_are_told_until_they_end(telling: RunningRouter, engine: Engine, heard: Heard) -> None:
    engine.script = Exchange.silence
    asking = asyncio.ensure_future(telling.post())
    await eventually(lambda: heard.last is not None and heard.last.in_flight == 1)
    asking.cancel()
    await eventually(lambda: heard.last is None)


async def test_a_request_that_came_and_went_between_two_messages_is_told(
    telling: RunningRouter, engine: Engine, heard: Heard
) -> None:
    engine.script = streams(chunk("hello"), DONE)
    for _ in range(2):
        async with telling.stream() as answer:
            await answer.read()
    await eventually(lambda: any(item.deployments and item.deployments[0].started_total == 2 for item in heard))
    told = [message.deployments[0] for message in heard if message.deployments][-1]
    assert (told.in_flight, told.held, told.ttft_count_total) == (0, 0, 2)
    assert 0 < told.ttft_sum_s_total < 10


async def test_messages_are_numbered_under_one_incarnation(telling: RunningRouter, heard: Heard) -> None:
    await eventually(lambda: len(heard) >= 3)
    assert [message.sequence for message in heard[:3]] == [1, 2, 3]
    assert len({message.incarnation for message in heard}) == 1


async def test_what_waits_for_a_replica_is_told_as_held(telling: RunningRouter, fleet: Fleet, heard: Heard) -> None:
    await fleet.sleeps()
    await eventually(lambda: telling.metric("roundhouse_router_endpoints", state="ready") == 0)
    asking = asyncio.ensure_future(telling.post())
    await eventually(lambda: heard.last is not None and heard.last.held == 1)
    told = heard.last
    assert told is not None
    assert (told.in_flight, told.started_total) == (0, 1)
    asking.cancel()

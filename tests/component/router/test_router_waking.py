"""A model that sleeps: the request that wakes it is held, and whoever streams hears that it is alive."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import openai
import pytest
import pytest_asyncio

from roundhouse_common.contracts.demand import DeploymentWanted
from roundhouse_common.contracts.registry import DEPLOYMENT_WANTED
from roundhouse_common.contracts.usage import Outcome
from tests.support.eventually import eventually, never
from tests.support.running_router import SECRET, Fleet, RunningRouter, endpoint
from tests.support.scripted_engine import DONE, Engine, answers, chunk, streams

COMMENT = b": waiting for the model\n\n"


class Heard(list[DeploymentWanted]):
    """What the scheduler hears."""

    async def take(self, message: DeploymentWanted, ids: tuple[str, ...]) -> None:
        self.append(message)


@pytest_asyncio.fixture
async def wanted(fleet: Fleet) -> Heard:
    heard = Heard()
    await fleet.hear(DEPLOYMENT_WANTED, heard.take)
    return heard


@pytest_asyncio.fixture
async def sleepy(tmp_path: Path, fleet: Fleet) -> AsyncIterator[RunningRouter]:
    """A router that knows the model `tiny`, which sleeps."""
    quick = {"wake_comment_after_s": 0.05, "wake_comment_every_s": 0.05, "held_most": 3}
    async with RunningRouter(tmp_path, fleet, **quick) as running:
        await fleet.sleeps()
        await running.ready()
        yield running


def held(router: RunningRouter) -> float:
    return router.metric("roundhouse_router_held")


@pytest.mark.contract("A36", "D10")
async def test_a_request_wakes_the_model_and_is_served(
    sleepy: RunningRouter, fleet: Fleet, engine: Engine, wanted: Heard
) -> None:
    asking = asyncio.ensure_future(sleepy.post())
    await eventually(lambda: wanted)
    assert (wanted[0].deployment_id, wanted[0].held) == ("dep_1", 1)
    await fleet.put_endpoints(endpoint(engine.base_url))
    async with await asking as answer:
        assert answer.status == 200
    assert (await fleet.one_record()).outcome is Outcome.COMPLETED


async def test_the_scheduler_is_asked_again_while_a_request_waits(sleepy: RunningRouter, wanted: Heard) -> None:
    asking = asyncio.ensure_future(sleepy.post())
    await eventually(lambda: len(wanted) >= 2)
    asking.cancel()
    await eventually(lambda: held(sleepy) == 0)
    count = len(wanted)
    await never(lambda: len(wanted) > count, for_s=1.2)


async def test_a_client_that_streams_hears_that_it_is_waited_for(
    sleepy: RunningRouter, fleet: Fleet, engine: Engine
) -> None:
    engine.script = streams(chunk("hello"), DONE)
    async with sleepy.stream() as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        assert await answer.content.readexactly(2 * len(COMMENT)) == 2 * COMMENT
        await fleet.put_endpoints(endpoint(engine.base_url))
        rest = await answer.content.read()
    assert rest.replace(COMMENT, b"") == chunk("hello") + DONE
    record = await fleet.one_record()
    assert (record.outcome, record.http_status, record.output_tokens) == (Outcome.COMPLETED, 200, 1)


async def test_the_official_client_reads_over_the_comments(sleepy: RunningRouter, fleet: Fleet, engine: Engine) -> None:
    engine.script = streams(chunk("hello"), DONE)
    client = openai.AsyncOpenAI(base_url=f"{sleepy.url}/v1", api_key=SECRET, max_retries=0)
    stream = await client.chat.completions.create(model="tiny", messages=[], stream=True)
    await fleet.put_endpoints(endpoint(engine.base_url))
    assert [part.choices[0].delta.content async for part in stream] == ["hello"]


async def test_a_refusal_of_the_engine_comes_inside_the_stream(
    sleepy: RunningRouter, fleet: Fleet, engine: Engine
) -> None:
    engine.script = answers(400, {"error": {"message": "too long", "type": "invalid_request_error"}})
    async with sleepy.stream() as answer:
        await answer.content.readexactly(len(COMMENT))
        await fleet.put_endpoints(endpoint(engine.base_url))
        rest = (await answer.content.read()).replace(COMMENT, b"")
    assert rest.startswith(b'data: {"error": {"message": "too long"')
    assert rest.endswith(DONE)
    record = await fleet.one_record()
    assert (record.outcome, record.http_status, record.error_code) == (Outcome.FAILED, 200, "upstream_400")


async def test_after_the_comments_another_endpoint_is_still_tried(
    sleepy: RunningRouter, fleet: Fleet, engine: Engine
) -> None:
    engine.script = streams(chunk("hello"), DONE)
    async with Engine(answers(503)) as broken, sleepy.stream() as answer:
        await answer.content.readexactly(len(COMMENT))
        await fleet.put_endpoints(endpoint(broken.base_url, 1), endpoint(engine.base_url, 2))
        rest = (await answer.content.read()).replace(COMMENT, b"")
    assert rest == chunk("hello") + DONE
    assert (await fleet.one_record()).attempts == 2


@pytest.mark.parametrize("is_stream", [True, False])
async def test_a_model_that_does_not_wake_is_given_up_with_the_reason(
    sleepy: RunningRouter, fleet: Fleet, is_stream: bool
) -> None:
    await fleet.sleeps(wake_timeout_s=0.3)
    async with sleepy.post({"stream": is_stream}) as answer:
        body = await answer.read()
        assert answer.status == (200 if is_stream else 503)
        assert answer.headers.get("retry-after") == (None if is_stream else "5")
    assert b"slept and was not ready within 0 s" in body
    assert body.endswith(DONE) is is_stream
    record = await fleet.one_record()
    assert (record.outcome, record.error_code) == (Outcome.FAILED, "no_ready_replica")
    assert len(fleet.records) == 1


async def test_no_more_are_held_than_the_setting_says(sleepy: RunningRouter, fleet: Fleet) -> None:
    asking = [asyncio.ensure_future(sleepy.post()) for _ in range(3)]
    await eventually(lambda: held(sleepy) == 3)
    async with sleepy.post() as answer:
        assert answer.status == 503
        assert answer.headers["retry-after"] == "10"
        assert (await answer.json())["error"]["code"] == "too_many_waiting"
    for one in asking:
        one.cancel()
    await eventually(lambda: held(sleepy) == 0)
    await eventually(lambda: len(fleet.records) == 4)
    assert sorted(record.outcome for record in fleet.records) == [Outcome.ABORTED] * 3 + [Outcome.FAILED]


async def test_a_router_that_stops_lets_go_at_once(sleepy: RunningRouter, fleet: Fleet) -> None:
    asking = asyncio.ensure_future(sleepy.post())
    await eventually(lambda: held(sleepy) == 1)
    sleepy.service.stop()
    async with await asking as answer:
        assert answer.status == 503
        assert (await answer.json())["error"]["code"] == "router_stopping"
    await eventually(lambda: fleet.records)
    assert fleet.records[0].error_code == "router_stopping"


async def test_a_model_that_may_not_sleep_any_more_is_not_waited_for(sleepy: RunningRouter, fleet: Fleet) -> None:
    asking = asyncio.ensure_future(sleepy.post())
    await eventually(lambda: held(sleepy) == 1)
    await fleet.put_endpoints(is_wakeable=False)
    async with await asking as answer:
        assert answer.status == 503

"""The router in front of the real llama.cpp: what is billed is what the engine did."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.usage import Outcome, UsageSource
from roundhouse_node_agent.engines import xllamacpp_runner
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.running_router import Fleet, RunningRouter, api_key, endpoint, route
from tests.support.scheduler_stub import SMOLLM2

pytestmark = pytest.mark.process

COUNT = {"role": "user", "content": "Count from one to one hundred."}
QUESTION: dict[str, Any] = {"messages": [COUNT], "temperature": 0}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine_url() -> AsyncIterator[str]:
    """One llama.cpp for the module."""
    port = free_port()
    command = [sys.executable, "-I", xllamacpp_runner.__file__, "--model", str(SMOLLM2), "--alias", "tiny"]
    options = ["--port", str(port), "--parallel", "2", "--context", "2048"]
    with subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
                await eventually(lambda: _is_up(session), within_s=30)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest_asyncio.fixture
async def router(tmp_path: Path, engine_url: str) -> AsyncIterator[tuple[RunningRouter, Fleet]]:
    async with Fleet() as fleet, RunningRouter(tmp_path, fleet) as running:
        await fleet.put_key(api_key())
        await fleet.put_route(route())
        await fleet.put_endpoints(endpoint(engine_url, engine=EngineKind.LLAMA_CPP, engine_api_key=""))
        await running.ready()
        yield running, fleet


async def test_a_whole_answer_is_billed_as_the_engine_says(router: tuple[RunningRouter, Fleet]) -> None:
    running, fleet = router
    async with running.post({**QUESTION, "max_tokens": 8}) as answer:
        document = await answer.json()
    record = await fleet.one_record()
    assert document["model"] == "tiny"
    assert record.input_tokens + record.cached_input_tokens == document["usage"]["prompt_tokens"] > 0
    assert record.output_tokens == document["usage"]["completion_tokens"] == 8


async def test_a_stream_shows_nothing_that_the_client_did_not_ask_for(router: tuple[RunningRouter, Fleet]) -> None:
    running, fleet = router
    async with running.stream(**QUESTION, max_tokens=8) as answer:
        body = await answer.read()
    chunks = [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: {")]
    assert all(chunk["choices"] and "usage" not in chunk for chunk in chunks)
    assert not any("timings" in chunk for chunk in chunks[:-1])
    assert body.endswith(b"data: [DONE]\n\n")
    record = await fleet.one_record()
    assert (record.outcome, record.source) == (Outcome.COMPLETED, UsageSource.ENGINE_FINAL)
    assert record.output_tokens == 8


async def test_an_aborted_stream_is_billed_for_its_prompt_and_for_what_was_generated(
    router: tuple[RunningRouter, Fleet],
) -> None:
    running, fleet = router
    async with running.post({**QUESTION, "max_tokens": 1}) as answer:
        prompt_tokens = (await answer.json())["usage"]["prompt_tokens"]
    texts = 0
    async with running.stream(**QUESTION, max_tokens=200) as answer:
        async for line in answer.content:
            texts += b'"content":"' in line
            if texts == 5:
                break
        answer.close()
    await eventually(lambda: len(fleet.records) == 2)
    record = fleet.records[1]
    assert (record.outcome, record.source) == (Outcome.ABORTED, UsageSource.ENGINE_RUNNING)
    assert record.input_tokens + record.cached_input_tokens == prompt_tokens
    assert 5 <= record.output_tokens <= 30, "what the engine did until it was told to stop"


async def test_the_engine_stops_working_when_the_client_leaves(router: tuple[RunningRouter, Fleet]) -> None:
    running, fleet = router
    asked = asyncio.ensure_future(running.post({**QUESTION, "max_tokens": 500, "ignore_eos": True}).__aenter__())
    await eventually(lambda: running.metric("roundhouse_router_in_flight") == 1)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    assert (await fleet.one_record()).outcome is Outcome.ABORTED
    async with asyncio.timeout(5), running.post({**QUESTION, "max_tokens": 1}) as answer:
        assert answer.status == 200


async def _is_up(session: aiohttp.ClientSession) -> bool:
    try:
        async with session.get("/health") as answer:
            return answer.status == 200
    except aiohttp.ClientConnectionError:
        return False

"""Kept and shared answers, and uploads, in front of the real llama.cpp."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
import pytest_asyncio

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.routing import RouteCache
from roundhouse_common.contracts.usage import Reuse
from roundhouse_node_agent.engines import xllamacpp_runner
from tests.support.eventually import eventually
from tests.support.media import FORM, form, wav
from tests.support.ports import free_port
from tests.support.running_router import SECRET, Fleet, RunningRouter, api_key, endpoint, route
from tests.support.scheduler_stub import SMOLLM2

pytestmark = pytest.mark.process

COUNT: Any = [{"role": "user", "content": "Count from one to one hundred."}]  # Any: the SDK's typed messages


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


async def _is_up(session: aiohttp.ClientSession) -> bool:
    try:
        async with session.get("/health") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


@pytest_asyncio.fixture
async def router(tmp_path: Path, engine_url: str) -> AsyncIterator[tuple[RunningRouter, Fleet]]:
    async with Fleet() as fleet, RunningRouter(tmp_path, fleet, upload_memory_bytes=65_536) as running:
        await fleet.put_key(api_key())
        await fleet.put_route(route(cache=RouteCache(ttl_s=60), is_coalesced=True))
        await fleet.put_endpoints(
            endpoint(engine_url, engine=EngineKind.LLAMA_CPP, engine_api_key=""), version_id="ver_1"
        )
        await running.ready()
        yield running, fleet


@pytest.mark.contract("D14")
@pytest.mark.contract("D16")
async def test_many_ask_the_same_and_the_engine_works_once(router: tuple[RunningRouter, Fleet]) -> None:
    running, fleet = router

    async def ask(client: openai.AsyncOpenAI) -> str:
        stream = await client.chat.completions.create(
            model="tiny", messages=COUNT, max_tokens=24, temperature=1, stream=True
        )
        return "".join([part.choices[0].delta.content or "" async for part in stream if part.choices])

    async with openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key=SECRET, max_retries=0) as client:
        together = await asyncio.gather(*(ask(client) for _ in range(6)))
        later = await ask(client)
    assert {*together, later} == {later}
    assert later
    await eventually(lambda: len(fleet.records) == 7)
    told = [record.reuse for record in fleet.records]
    assert told.count(Reuse.NONE) == 1
    assert told.count(Reuse.CACHED) >= 1
    [tokens] = {record.output_tokens for record in fleet.records}
    assert 0 < tokens <= 24


@pytest.mark.contract("D11")
@pytest.mark.parametrize("seconds", [1, 30])
async def test_the_engine_reads_uploads_with_a_length_and_in_chunks(
    router: tuple[RunningRouter, Fleet], seconds: int
) -> None:
    running, _ = router
    sound = wav(seconds * 1000, rate=16_000)
    assert (len(sound) > 65_536) is (seconds == 30)
    body = form(("model", b"tiny"), ("file", sound, "a.wav"))
    async with running.post(body, path="/v1/audio/transcriptions", content_type=FORM) as answer:
        words = (await answer.json())["error"]["message"]
    assert "audio" in words.lower(), "it has read the form, and has no ears"

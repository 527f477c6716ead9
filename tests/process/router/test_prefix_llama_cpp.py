"""Prefix affinity and the real cache of two llama.cpp engines: how many prompt tokens are not read again."""

import contextlib
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.routing import Balancing, Strategy
from roundhouse_node_agent.engines import xllamacpp_runner
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.running_router import Fleet, RunningRouter, api_key, endpoint, route
from tests.support.scheduler_stub import SMOLLM2

pytestmark = [pytest.mark.process, pytest.mark.contract("D08")]

WORDS = ["train", "river", "signal", "engine", "harbour", "winter", "ticket", "copper", "meadow", "window", "garden"]
CONVERSATIONS = 3
TURNS = 4


@contextlib.asynccontextmanager
async def llama_cpp() -> AsyncIterator[str]:
    port = free_port()
    command = [sys.executable, "-I", xllamacpp_runner.__file__, "--model", str(SMOLLM2), "--alias", "tiny"]
    options = ["--port", str(port), "--parallel", "4", "--context", "8192"]
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
    except aiohttp.ClientConnectionError:
        return False


def said(dice: random.Random, words: int) -> str:
    return " ".join(dice.choice(WORDS) for _ in range(words))


async def cached_share(directory: Path, urls: list[str], strategy: Strategy, seed: int) -> float:
    """Talk in turns; return the share of prompt tokens that came out of the engines' caches."""
    dice = random.Random(seed)
    talks = [[{"role": "system", "content": said(dice, 120)}] for _ in range(CONVERSATIONS)]
    async with Fleet() as fleet, RunningRouter(directory, fleet) as router:
        await fleet.put_key(api_key())
        await fleet.put_route(route(balancing=Balancing(strategy=strategy)))
        await fleet.put_endpoints(
            *(endpoint(url, n, engine=EngineKind.LLAMA_CPP, engine_api_key="") for n, url in enumerate(urls))
        )
        await router.ready()
        await eventually(lambda: router.metric("roundhouse_router_endpoints", state="ready") == len(urls))
        for _ in range(TURNS):
            for talk in talks:
                talk.append({"role": "user", "content": said(dice, 30)})
                async with router.post({"messages": talk, "max_tokens": 4, "temperature": 0}) as answer:
                    assert answer.status == 200, await answer.text()
                    talk.append((await answer.json())["choices"][0]["message"])
        await eventually(lambda: len(fleet.by_id) == CONVERSATIONS * TURNS)
        cached = sum(record.cached_input_tokens for record in fleet.by_id.values())
        return cached / (cached + sum(record.input_tokens for record in fleet.by_id.values()))


@pytest.mark.slow
async def test_engines_read_fewer_prompt_tokens_again(tmp_path: Path) -> None:
    async with llama_cpp() as one, llama_cpp() as other:
        urls = [one, other]
        by_turn = await cached_share(tmp_path / "turn", urls, Strategy.ROUND_ROBIN, seed=1)
        by_prefix = await cached_share(tmp_path / "prefix", urls, Strategy.PREFIX_AFFINITY, seed=2)
    print(f"cached: {by_turn:.2f} in turn, {by_prefix:.2f} by prefix")
    assert by_prefix > by_turn + 0.15

"""Clients that close their connection: how soon the engine has its slot back, beside a client of its own."""

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.eventually import eventually
from tests.support.llama_cpp import LlamaCpp, llama_cpp
from tests.support.router_process import RouterProcess
from tests.support.running_router import SECRET, endpoint
from tests.support.scripted_engine import Engine, Exchange, chunk

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]

ROUNDS = 10
ENGINE_ROUNDS = 5
"""What else runs on the machine only ever adds: the least of so many rounds is compared."""
NOISE_S = 0.15
"""What a busy machine may add to the 100 ms that the router has."""
REST_S = 0.4
BUSY_S = 0.01
"""Processor time that an engine takes within `REST_S` when it computes; one that waits takes a quarter of it."""


async def begin(port: int, body: dict[str, Any]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a request on a connection of its own."""
    content = json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "Tell."}], **body}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {SECRET}\r\n"
    writer.write(head.encode() + b"content-length: %d\r\n\r\n" % len(content) + content)
    return reader, writer


async def says_nothing(exchange: Exchange) -> None:
    await exchange.silence()


async def sends_a_head(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.silence()


async def sends_a_chunk(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.send(chunk("one"))
    await exchange.silence()


async def sends_half(exchange: Exchange) -> None:
    await exchange.raw(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{"id":')
    await exchange.silence()


@pytest.mark.parametrize(
    ("script", "is_stream"),
    [
        pytest.param(says_nothing, False, id="whole, before the first byte"),
        pytest.param(sends_half, False, id="whole, in the middle"),
        pytest.param(says_nothing, True, id="stream, before the first byte"),
        pytest.param(sends_a_head, True, id="stream, before the first chunk"),
        pytest.param(sends_a_chunk, True, id="stream, in the middle"),
    ],
)
async def test_the_engine_sees_the_connection_close(
    tmp_path: Path, script: Callable[[Exchange], Awaitable[None]], is_stream: bool
) -> None:
    loop = asyncio.get_running_loop()
    took_s = []
    async with Engine(script) as engine, RouterProcess(tmp_path, endpoint(engine.base_url)) as router:
        for number in range(1, ROUNDS + 1):
            reader, writer = await begin(router.port, {"stream": is_stream})
            await eventually(lambda so_far=number: len(engine.exchanges) == so_far)  # type: ignore[misc]  # a lambda's default
            exchange = engine.exchanges[-1]
            if script is sends_a_chunk:
                await asyncio.wait_for(reader.readuntil(b"one"), 5)
            left_at = loop.time()
            writer.close()
            async with asyncio.timeout(5):
                await exchange.ended.wait()
            assert exchange.closed_at is not None
            took_s.append(exchange.closed_at - left_at)
    print(f"median {statistics.median(took_s) * 1e3:.1f} ms, most {max(took_s) * 1e3:.1f} ms")
    assert statistics.median(took_s) < 0.1
    assert max(took_s) < 1.0


async def until_free(engine: LlamaCpp, port: int, body: dict[str, Any]) -> float:
    """Let a client leave that has an engine's slot; return after how many seconds the engine did nothing any more."""
    reader, writer = await begin(port, body)
    await eventually(lambda rest=engine.cpu_s(): engine.cpu_s() > rest + BUSY_S, within_s=20)  # type: ignore[misc]  # a lambda's default
    if body.get("stream") and "messages" not in body:
        await asyncio.wait_for(reader.readuntil(b'"content":"'), 20)
    left_at = time.monotonic()
    writer.close()
    return await at_rest(engine) - left_at


async def at_rest(engine: LlamaCpp) -> float:
    """Wait until it has not computed for a while; return since when.

    On a machine that is busy with other things it may get no processor for so long, and be at work all the same: then
    its own word counts."""
    deadline = time.monotonic() + 60
    while True:
        since, spent_s = time.monotonic(), engine.cpu_s()
        while time.monotonic() < since + REST_S:
            await asyncio.sleep(0.005)
            if (now_s := engine.cpu_s()) > spent_s + BUSY_S:
                since, spent_s = time.monotonic(), now_s
        if await engine.busy() == 0:
            return since
        assert time.monotonic() < deadline, "the engine goes on for somebody who has left"


LONG = {"max_tokens": 3000, "ignore_eos": True}
PROMPT = [{"role": "user", "content": "There are trains and rivers. " * 20}]


@pytest.mark.slow
async def test_llama_cpp_has_its_slot_back_as_if_its_own_client_had_left(tmp_path: Path) -> None:
    cases: dict[str, dict[str, Any]] = {
        "whole": LONG,
        "stream, before the first byte": {**LONG, "stream": True, "messages": PROMPT, "cache_prompt": False},
        "stream, in the middle": {**LONG, "stream": True},
    }
    async with llama_cpp(parallel=1, context=4096) as engine, RouterProcess(tmp_path, engine.endpoint()) as router:
        own_port = int(engine.url.rpartition(":")[2])
        await at_rest(engine)
        for name, body in cases.items():
            direct_s, routed_s = [], []
            for _ in range(ENGINE_ROUNDS):
                direct_s.append(await until_free(engine, own_port, body))
                routed_s.append(await until_free(engine, router.port, body))
                direct, routed = min(direct_s), min(routed_s)
                if routed < direct + 0.1:
                    break
            print(f"{name}: {direct * 1e3:.0f} ms directly, {routed * 1e3:.0f} ms through the router")
            assert routed < direct + 0.1 + NOISE_S, name

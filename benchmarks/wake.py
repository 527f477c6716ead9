"""How long a request to a sleeping model takes beyond the engine's own start: `scripts/bench wake --rounds 5`.

A whole Roundhouse with its demo model (llama.cpp on the CPU). In every round the model sleeps, one streaming request
wakes it, and the first token is waited for. The peer is the same engine started alone with the same command line, from
its start until it has streamed the same first token: what no gateway can go below.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil

from tests.process.control import Control
from tests.process.platform import DEMO, Platform, free_base_port, until

_SLEEPY = {"min_replicas": 0, "max_replicas": 1, "target_in_flight": 8, "idle_s": 1, "down_stabilization_s": 1}
_BODY = {"model": DEMO, "stream": True, "max_tokens": 4, "messages": [{"role": "user", "content": "Hello"}]}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench wake", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="roundhouse-bench-") as directory:
        platform = Platform(Path(directory), free_base_port())
        platform.up()
        try:
            asyncio.run(_measure(platform, arguments.rounds))
        finally:
            platform.down()


async def _measure(platform: Platform, rounds: int) -> None:
    control = Control(platform)
    key = (await control.deployment(DEMO))["id"]
    secret = platform.json("keys", "create", "bench")["secret"]
    (replica,) = platform.replicas()
    engine = psutil.Process(replica["pid"])
    command, port = engine.cmdline(), replica["base_url"].rsplit(":", 1)[1]
    environment = engine.environ()
    engine_key = environment["ROUNDHOUSE_ENGINE_API_KEY"]
    await control.change(key, autoscale=_SLEEPY)
    wakes, alone = [], []
    for _ in range(rounds):
        await until(lambda: not platform.replicas(), within_s=60, what="the model sleeps")
        wakes.append(await _first_token_s(platform.connection["router_url"], secret))
        await until(lambda: not platform.replicas(), within_s=60, what="the model sleeps")
        began = time.monotonic()
        async with _started(command, environment):
            await _first_token_s(f"http://127.0.0.1:{port}", engine_key, within_s=60)
            alone.append(time.monotonic() - began)
    _print("woken through the router", wakes)
    _print("the engine alone", alone)
    own, woken = statistics.median(alone), statistics.median(wakes)
    print(f"beyond the engine's own start: {woken - own:.2f} s; ratio {woken / own:.2f}")


def _print(what: str, seconds: list[float]) -> None:
    spread = f"{min(seconds):.2f} to {max(seconds):.2f} of {len(seconds)}"
    print(f"{what:26} {statistics.median(seconds):6.2f} s median, {spread}")


@contextlib.asynccontextmanager
async def _started(command: list[str], environment: dict[str, str]) -> AsyncIterator[None]:
    nowhere = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=nowhere, stderr=nowhere)
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def _first_token_s(url: str, secret: str, *, within_s: float = 0.0) -> float:
    """Return how long the first token took; until `within_s` whatever is not there yet is asked again."""
    began = time.monotonic()
    while True:
        try:
            return await _ask(url, secret) - began
        except (aiohttp.ClientError, _NotThereYet):
            if time.monotonic() > began + within_s:
                raise
            await asyncio.sleep(0.01)


class _NotThereYet(Exception):
    pass


async def _ask(url: str, secret: str) -> float:
    headers = {"authorization": f"Bearer {secret}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/v1/chat/completions", json=_BODY, headers=headers) as answer,
    ):
        if answer.status != 200:
            raise _NotThereYet(f"{answer.status} {await answer.text()}")
        async for line in answer.content:
            if line.startswith(b"data: {") and any(
                choice["delta"].get("content") for choice in json.loads(line[6:])["choices"]
            ):
                return time.monotonic()
    raise _NotThereYet("the stream had no token")


if __name__ == "__main__":
    main()

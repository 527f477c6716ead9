"""Router, NATS and metering are killed at random moments under load: the ledger has every request once, with the
tokens that the engine itself counted."""

import asyncio
import random
import re
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.features import Feature
from tests.support.databases import Migrate
from tests.support.engine_teller import told_of
from tests.support.eventually import eventually
from tests.support.metering_process import Metering, metering_process
from tests.support.nats import NatsServer
from tests.support.real_llama_cpp import llama_cpp
from tests.support.router_process import RouterProcess
from tests.support.running_router import endpoint

pytestmark = [pytest.mark.process, pytest.mark.timeout(1800)]

CLIENTS = 4
MOST_TOKENS = 6
MOST_PROMPT = 40
ROUND_S = 2.0
COUNTERS = {"input": "llamacpp:prompt_tokens_total", "output": "llamacpp:tokens_predicted_total"}


@dataclass
class Answers:
    """What clients were told: request id -> (prompt tokens, completion tokens), by the engine's own usage."""

    told: dict[str, tuple[int, int]] = field(default_factory=dict)
    broken: int = 0


class World:
    """The engine lives on; the other three die and come back."""

    def __init__(self, engine_url: str, nats: NatsServer, metering: Metering, directory: Path) -> None:
        self.engine_url = engine_url
        self.nats = nats
        self.metering = metering
        self.router = self._router = RouterProcess(
            directory / "router",
            endpoint(engine_url, engine=EngineKind.LLAMA_CPP, engine_api_key="", features=(Feature.CHAT,)),
            nats_url=nats.url,
            nats_seed_file=str(nats.seed_file(Service.ROUTER)),
        )

    async def kill(self, victim: str) -> None:
        match victim:
            case "router":
                self.router.kill()
                await self.router.session.close()
                await self.router.__aenter__()
            case "nats":
                self.nats.kill()
                self.nats.start()
            case "metering":
                await self.metering.stop(signal.SIGKILL)
                await self.metering.start()

    async def counted(self) -> dict[str, int]:
        """Return the engine's own counters."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.engine_url}/metrics") as answer:
            text = await answer.text()
        found = {name: re.search(rf"(?m)^{metric} (\S+)$", text) for name, metric in COUNTERS.items()}
        return {name: int(float(match[1])) for name, match in found.items() if match}


@asynccontextmanager
async def world(nats: NatsServer, database_url: str, directory: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        engine_url = await stack.enter_async_context(llama_cpp())
        metering = await stack.enter_async_context(metering_process(nats, database_url, directory))
        made = World(engine_url, nats, metering, directory)
        await stack.enter_async_context(made.router)
        await stack.enter_async_context(told_of(engine_url, "rep_1", nats))
        yield made


async def ask(world: World, answers: Answers, number: int) -> None:
    """Ask once; a router that dies breaks it off, and then nobody knows what the client would have been told."""
    body: dict[str, Any] = {
        "model": "tiny",
        "messages": [{"role": "user", "content": f"Count from {number}."}],
        "max_tokens": MOST_TOKENS,
        "cache_prompt": False,
    }
    try:
        async with world.router.session.post("/v1/chat/completions", json=body) as answer:
            told = await answer.json()
            assert answer.status == 200, told
            usage = told["usage"]
            answers.told[answer.headers["x-request-id"]] = (usage["prompt_tokens"], usage["completion_tokens"])
    except (aiohttp.ClientError, RuntimeError):  # a closed session is a RuntimeError
        answers.broken += 1
        await asyncio.sleep(0.05)


async def load(world: World, answers: Answers, over: asyncio.Event) -> None:
    number = 0
    while not over.is_set():
        number += 1
        await ask(world, answers, number)


async def rounds(world: World, count: int, rng: random.Random) -> Answers:
    """Kill one of the three in each round, at a random moment of it, under load."""
    answers, over = Answers(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(load(world, answers, over))
        for number in range(count):
            await asyncio.sleep(rng.random() * ROUND_S)  # the moment is what is tried out
            await world.kill(("router", "nats", "metering")[number % 3] if count <= 3 else rng.choice(VICTIMS))
        over.set()
    return answers


VICTIMS = ("router", "nats", "metering")


async def records(metering: Metering) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await metering.http.get("/api/v1/usage/records", params={"limit": "200", **cursor})
        page = answer.json()
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def agree(world: World, found: list[dict[str, Any]]) -> None:
    """Hold metering's comparison against the records and against the engine itself."""

    async def compared() -> dict[str, Any]:
        asked = {"since": found[0]["admitted_at"], "until": "2999-01-01T00:00:00Z", "replica_id": "rep_1"}
        answer = await world.metering.http.get("/api/v1/reconciliation/engines", params=asked)
        assert answer.status_code == 200, answer.text
        (row,) = answer.json()["items"]
        counted = await world.counted()
        assert {kind: row[kind]["counted"] for kind in counted} == counted
        assert row["requests"] == sum(bool(record["replica_id"]) for record in found)
        return dict(row)

    row = await eventually(compared, within_s=30, every_s=0.3)
    read = sum(record["input_tokens"] + record["cached_input_tokens"] for record in found)
    assert (row["input"]["recorded"], row["output"]["recorded"]) == (read, sum(one["output_tokens"] for one in found))
    # Only of requests that a dead router was relaying does the engine know more than anybody was told.
    unknown = [record for record in found if record["outcome"] != "completed"]
    assert 0 <= row["output"]["difference"] <= len(unknown) * MOST_TOKENS
    assert 0 <= row["input"]["difference"] <= len(unknown) * MOST_PROMPT
    assert (row["input"]["unexplained"], row["output"]["unexplained"]) == (0, 0)
    assert row["state"] in (("equal", "within-tolerance", "explained") if unknown else ("equal",))


async def hold(world: World, answers: Answers) -> None:
    """Compare the ledger with what clients were told and with what the engine counted."""

    async def is_settled() -> bool:
        async with world.router.session.get("/metrics") as answer:
            is_empty = "\nroundhouse_router_spool_depth 0.0\n" in await answer.text()
        known = {record["request_id"] for record in await records(world.metering)}
        return is_empty and answers.told.keys() <= known and (await world.metering.totals())["missing"] == 0

    await eventually(is_settled, within_s=90, every_s=0.5)
    found = await records(world.metering)
    by_id = {record["request_id"]: record for record in found}
    assert len(by_id) == len(found)
    assert answers.told.keys() <= by_id.keys()
    for request_id, told in answers.told.items():
        record = by_id[request_id]
        read = record["input_tokens"] + record["cached_input_tokens"]
        assert (record["outcome"], read, record["output_tokens"]) == ("completed", *told)
    totals = await world.metering.totals()
    assert (totals["repeated"], totals["recorded"]) == (0, len(found))
    ledger = sum(record["output_tokens"] for record in found)
    await agree(world, found)
    usage = (await world.metering.http.get("/api/v1/usage")).json()["totals"]
    assert (usage["requests"], usage["output_tokens"]) == (len(found), ledger)


@pytest.mark.contract("F01", "F02")
async def test_three_kills_under_load_lose_and_repeat_nothing(
    nats_server: NatsServer, tmp_path: Path, sqlite_url: str, migrated: Migrate
) -> None:
    await migrated(sqlite_url, "metering")
    async with world(nats_server, sqlite_url, tmp_path) as made:
        answers = await rounds(made, 3, random.Random(3))
        await hold(made, answers)
    assert len(answers.told) > CLIENTS


@pytest.mark.slow
@pytest.mark.contract("F01", "F02")
async def test_fifty_kills_under_load_lose_and_repeat_nothing(
    nats_server: NatsServer, tmp_path: Path, database_url: str, migrated: Migrate
) -> None:
    await migrated(database_url, "metering")
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    async with world(nats_server, database_url, tmp_path) as made:
        answers = await rounds(made, 50, random.Random(seed))
        await hold(made, answers)
    assert len(answers.told) > 50

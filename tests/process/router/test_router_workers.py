"""Several workers on one port: killed one at a time, stopped together, fewer than before."""

import asyncio
import json
import os
import resource
import signal
from pathlib import Path

import aiohttp
import pytest

from roundhouse_common.contracts.usage import Outcome, UsageRecord
from roundhouse_common.runtime import SystemClock, SystemIds
from roundhouse_router.store.reading import read_after
from roundhouse_router.store.spool import Spool, SpoolLimits
from roundhouse_router.store.writer import Position
from roundhouse_router.workers.places import place_of
from tests.support.eventually import eventually
from tests.support.redis_server import RedisServer
from tests.support.router_process import RouterProcess
from tests.support.running_router import endpoint
from tests.support.scripted_engine import DONE, Engine, Exchange, answers, chunk

pytestmark = pytest.mark.process

BODY = {"model": "tiny", "messages": []}
STREAM = {**BODY, "stream": True}
WORKERS = 3


def children_of(router: RouterProcess) -> list[int]:
    """Return the workers' process ids."""
    pid = router.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


async def states(router: RouterProcess) -> dict[str, str]:
    """Return what one worker says of all, on a connection of its own."""
    async with router.session.get("/readyz", headers={"connection": "close"}) as answer:
        told: dict[str, str] = json.loads(await answer.read())["workers"]
        return told


async def all_ready(router: RouterProcess) -> bool:
    return await states(router) == {str(worker): "ok" for worker in range(WORKERS)}


async def spooled(state_dir: Path, worker: int) -> list[UsageRecord]:
    directory = place_of(state_dir, worker) / "spool"
    spool = Spool.open(directory, limits=SpoolLimits(), clock=SystemClock(), ids=SystemIds())
    found: list[UsageRecord] = []
    try:
        await spool.sync()
        position = Position(0, 0)
        while True:
            batch, after = read_after(spool.directory, spool.writer, position)
            if after == position:
                return found
            found += [record for record, _ in batch]
            position = after
    finally:
        spool.close()


async def test_a_killed_worker_takes_only_its_own_connections_along_and_comes_back(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    state_dir = tmp_path / "state"
    finished: list[str] = []
    failures = 0
    async with (
        Engine(answers()) as engine,
        RouterProcess(state_dir, endpoint(engine.base_url), workers=str(WORKERS), redis_url=redis_server.url) as router,
    ):
        await eventually(lambda: all_ready(router), within_s=20.0)
        stopping = asyncio.Event()

        async def client() -> None:
            nonlocal failures
            while not stopping.is_set():
                try:
                    async with router.session.post(
                        "/v1/chat/completions", json=BODY, headers={"connection": "close"}
                    ) as answer:
                        assert answer.status == 200
                        await answer.read()
                        finished.append(answer.headers["x-request-id"])
                except aiohttp.ClientError:
                    failures += 1

        clients = [asyncio.create_task(client(), name="client") for _ in range(6)]
        await eventually(lambda: len(finished) >= 60)
        for victim in children_of(router)[:2]:
            before = len(finished)
            os.kill(victim, signal.SIGKILL)
            await eventually(lambda seen=before: len(finished) >= seen + 30)  # type: ignore[misc]  # a lambda's default
            await eventually(lambda: len(children_of(router)) == WORKERS)
        await eventually(lambda: all_ready(router), within_s=20.0)
        stopping.set()
        await asyncio.gather(*clients)
        async with router.session.get("/metrics") as answer:
            metrics = await answer.text()
        assert all(f'process_start_time_seconds{{worker="{worker}"}}' in metrics for worker in range(WORKERS))
        assert metrics.count("# TYPE roundhouse_router_spool_depth gauge") == 1
    assert failures <= 24, "only requests that were on a killed worker fail"
    records = [record for worker in range(WORKERS) for record in await spooled(state_dir, worker)]
    completed = {record.request_id for record in records if record.outcome is Outcome.COMPLETED}
    assert set(finished) <= completed
    assert len({record.request_id for record in records}) == len(records)
    assert len({record.router_id for record in records}) == WORKERS, "the kernel spreads connections over all"


async def test_sigterm_lets_the_streams_of_all_workers_finish(tmp_path: Path, redis_server: RedisServer) -> None:
    released = asyncio.Event()

    async def waits(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.send(chunk("one"))
        await released.wait()
        await exchange.send(chunk("two") + DONE)
        await exchange.end()

    async with (
        Engine(waits) as engine,
        RouterProcess(
            tmp_path / "state",
            endpoint(engine.base_url),
            workers=str(WORKERS),
            redis_url=redis_server.url,
            drain_timeout_s="10",
        ) as router,
    ):
        await eventually(lambda: all_ready(router), within_s=20.0)

        async def stream() -> bytes:
            async with router.session.post("/v1/chat/completions", json=STREAM) as answer:
                return await answer.read()

        streams = [asyncio.create_task(stream(), name="stream") for _ in range(12)]
        await eventually(lambda: len(engine.exchanges) == 12)
        router.process.terminate()
        await eventually(lambda: is_refused(router.port))
        released.set()
        assert set(await asyncio.gather(*streams)) == {chunk("one") + chunk("two") + DONE}
        assert await asyncio.to_thread(router.process.wait, 15) == 0


async def test_workers_end_when_their_parent_is_killed(tmp_path: Path, redis_server: RedisServer) -> None:
    async with (
        Engine(answers()) as engine,
        RouterProcess(
            tmp_path / "state", endpoint(engine.base_url), workers=str(WORKERS), redis_url=redis_server.url
        ) as router,
    ):
        await eventually(lambda: all_ready(router), within_s=20.0)
        workers = children_of(router)
        router.kill()
        await eventually(lambda: not any(map(is_alive, workers)), within_s=15.0)


async def test_a_router_takes_the_file_descriptors_that_it_may_have(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024), hard))
    try:
        async with RouterProcess(tmp_path, endpoint("http://127.0.0.1:9")) as router:
            assert resource.prlimit(router.process.pid, resource.RLIMIT_NOFILE)[0] == min(hard, 1024 * 1024)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_several_workers_without_redis_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ROUNDHOUSE_ROUTER_REDIS_URL"):
        async with RouterProcess(tmp_path, endpoint("http://127.0.0.1:9"), workers="2"):
            pass


async def is_refused(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


def is_alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return False

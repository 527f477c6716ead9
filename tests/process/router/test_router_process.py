"""The router as a process of its own: killed under load, stopped under load, started without a control plane."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from roundhouse_common.contracts.usage import Outcome
from tests.support.router_process import RouterProcess
from tests.support.running_router import SECRET, endpoint
from tests.support.scripted_engine import DONE, Engine, Exchange, chunk, streams, usage_chunk
from tests.support.spooled import spooled

pytestmark = pytest.mark.process

BODY = {"model": "tiny", "stream": True, "messages": []}


async def talks(exchange: Exchange) -> None:
    """Five chunks, a few milliseconds apart."""
    await exchange.head()
    for _ in range(5):
        await exchange.send(chunk("x"))
        await asyncio.sleep(0.002)
    await exchange.send(usage_chunk(3, 5) + DONE)
    await exchange.end()


async def load(router: RouterProcess, until: Callable[[list[str]], Awaitable[None]]) -> list[str]:
    """Stream on eight connections while `until` runs; return the ids of the requests that ended with `[DONE]`."""
    finished: list[str] = []

    async def client() -> None:
        while True:
            try:
                async with router.session.post("/v1/chat/completions", json=BODY) as answer:
                    async for line in answer.content:
                        if line == b"data: [DONE]\n":
                            finished.append(answer.headers["x-request-id"])
            except aiohttp.ClientError:
                return

    clients = [asyncio.create_task(client()) for _ in range(8)]
    try:
        await until(finished)
    finally:
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
    return finished


async def test_kill_9_under_load_loses_no_finished_request(tmp_path: Path) -> None:
    async with Engine(talks) as engine:
        finished: list[str] = []
        for _ in range(2):
            async with RouterProcess(tmp_path, endpoint(engine.base_url)) as router:

                async def killed(seen: list[str], router: RouterProcess = router) -> None:
                    while len(seen) < 60:
                        await asyncio.sleep(0.01)
                    router.kill()

                finished += await load(router, killed)
    records = {record.request_id: record for record in await spooled(tmp_path)}
    assert len(finished) >= 120
    assert all(records[request_id].outcome is Outcome.COMPLETED for request_id in finished)
    assert sorted(record.sequence for record in records.values()) == list(range(1, len(records) + 1))
    assert len({record.router_id for record in records.values()}) == 1
    torn = [record for record in records.values() if record.error_code == "router_restarted"]
    assert torn, "a kill under load leaves requests in flight behind"
    assert all(record.outcome is Outcome.ABORTED for record in torn)


async def test_sigterm_lets_streams_in_flight_finish(tmp_path: Path) -> None:
    released = asyncio.Event()

    async def waits(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.send(chunk("one"))
        await released.wait()
        await exchange.send(chunk("two") + DONE)
        await exchange.end()

    async with Engine(waits) as engine, RouterProcess(tmp_path, endpoint(engine.base_url)) as router:
        async with router.session.post("/v1/chat/completions", json=BODY) as answer:
            first = await answer.content.readany()
            router.process.terminate()
            await asyncio.sleep(0.2)
            released.set()
            assert first + await answer.read() == chunk("one") + chunk("two") + DONE
        assert await asyncio.to_thread(router.process.wait, 10) == 0
    assert [record.outcome for record in await spooled(tmp_path)] == [Outcome.COMPLETED]


async def test_a_directory_that_cannot_be_used_is_one_clear_line(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    state_dir.mkdir()
    (state_dir / "spool").write_text("a file where the spool should be")
    with pytest.raises(RuntimeError, match=r"^router: cannot use .*spool"):
        async with RouterProcess(state_dir, endpoint("http://127.0.0.1:9")):
            pass


async def test_nothing_on_disk_holds_a_prompt_an_answer_or_a_clients_key(tmp_path: Path) -> None:
    body = {**BODY, "messages": [{"role": "user", "content": "prompt-of-the-client"}]}
    async with (
        Engine(streams(chunk("answer-of-the-engine"), DONE)) as engine,
        RouterProcess(tmp_path, endpoint(engine.base_url), log_level="debug") as router,
    ):
        for document in (body, {**body, "model": "nope"}, {**body, "stream": "what"}):
            async with router.session.post("/v1/chat/completions", json=document) as answer:
                await answer.read()
        engine.stop()
        async with router.session.post("/v1/chat/completions", json=body) as answer:
            assert answer.status == 502
    written = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert written["router.log"]
    for secret in (SECRET, "prompt-of-the-client", "answer-of-the-engine"):
        assert not [name for name, content in written.items() if secret.encode() in content]
    assert [name for name, content in written.items() if b"engine-secret" in content] == ["snapshot.json"]

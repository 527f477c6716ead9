"""The life of a service: what happens in which order, and what a failure in one part does to the others."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from roundhouse_common.runtime import SystemClock
from roundhouse_common.service import Service, ServiceSettings
from tests.support.eventually import eventually


class Life:
    """A service that writes down what happens to it."""

    def __init__(self, tmp_path: Path, **settings: Any) -> None:
        self.diary: list[str] = []
        self.service = Service(
            "catalog",
            ServiceSettings(**{"port": 0, "state_dir": tmp_path, "drain_timeout_s": 2.0, **settings}),
            clock=SystemClock(),
            rng=random.Random(1),
        )
        self._serving: asyncio.Task[int] | None = None

    @asynccontextmanager
    async def part(self, name: str, *, fails: bool = False) -> AsyncIterator[None]:
        if fails:
            raise OSError(f"{name} is broken")
        self.diary.append(f"{name} opened")
        yield
        self.diary.append(f"{name} left")

    async def loop(self) -> None:
        self.diary.append("loop started")
        try:
            await asyncio.Event().wait()
        finally:
            self.diary.append("loop cancelled")

    async def hook(self) -> None:
        self.diary.append("hook")

    async def start(self) -> httpx.AsyncClient:
        """Serve until ready; return a client."""
        self._serving = asyncio.create_task(self.service.serve())
        await eventually(lambda: self.service.readiness()["service"] == "ok")
        return self.client()

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.service.port}")

    async def end(self) -> int:
        assert self._serving is not None
        self.service.stop()
        return await asyncio.wait_for(self._serving, timeout=30)


@pytest.fixture
def life(tmp_path: Path) -> Life:
    return Life(tmp_path)


@contextmanager
def occupied_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


async def test_parts_start_in_order_and_stop_in_the_reverse(life: Life) -> None:
    life.service.resource("first", life.part("first"))
    life.service.resource("second", life.part("second"))
    life.service.loop("loop", life.loop)
    life.service.before_stop("hook", life.hook)
    async with await life.start() as client:
        assert (await client.get("/livez")).status_code == 200
    assert await life.end() == 0
    assert life.diary == [
        "first opened",
        "second opened",
        "loop started",
        "hook",
        "loop cancelled",
        "second left",
        "first left",
    ]


async def test_port_is_closed_until_the_resources_are_open(life: Life) -> None:
    opening, may_open = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def slow() -> AsyncIterator[None]:
        opening.set()
        await may_open.wait()
        yield

    life.service.resource("slow", slow())
    serving = asyncio.create_task(life.service.serve())
    await opening.wait()
    async with life.client() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("/readyz")
        may_open.set()
        await eventually(lambda: life.service.readiness()["service"] == "ok")
        assert (await client.get("/readyz")).status_code == 200
    life.service.stop()
    assert await serving == 0


async def test_readyz_asks_the_checks_each_time_and_a_broken_check_is_not_ready(life: Life) -> None:
    state: list[str | None] = [None]

    def check() -> str | None:
        if state[0] == "raise":
            raise KeyError("oops")
        return state[0]

    life.service.ready_when("bus", check)
    async with await life.start() as client:
        assert (await client.get("/readyz")).json() == {"checks": {"service": "ok", "bus": "ok"}}
        state[0] = "no connection to NATS"
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["checks"]["bus"]) == (503, "no connection to NATS")
        state[0] = "raise"
        assert (await client.get("/readyz")).json()["checks"]["bus"] == "the check itself failed: KeyError('oops')"
    await life.end()


async def test_request_in_flight_finishes_before_anything_is_taken_away(life: Life) -> None:
    entered, may_answer = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        entered.set()
        await may_answer.wait()
        life.diary.append("answered")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    life.service.http(app)
    life.service.resource("database", life.part("database"))
    life.service.before_stop("hook", life.hook)
    async with await life.start() as client:
        request = asyncio.create_task(client.get("/slow"))
        await entered.wait()
        life.service.stop()
        await eventually(lambda: life.service.readiness()["service"] == "stopping")
        await eventually(lambda: _refuses(life.service.port))
        may_answer.set()
        assert (await request).text == "done"
    assert await life.end() == 0
    assert life.diary == ["database opened", "answered", "hook", "database left"]


async def test_request_that_never_ends_is_cut_off_after_the_drain_timeout(tmp_path: Path) -> None:
    life = Life(tmp_path, drain_timeout_s=0.2)
    entered = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            life.diary.append("request cleaned up")

    life.service.http(app)
    life.service.resource("database", life.part("database"))
    async with await life.start() as client:
        request = asyncio.create_task(client.get("/stuck"))
        await entered.wait()
        assert await life.end() == 0
        assert (await asyncio.wait_for(request, timeout=30)).status_code == 500
    assert life.diary == ["database opened", "request cleaned up", "database left"]


async def test_hooks_run_while_the_loops_still_turn(life: Life) -> None:
    queue: asyncio.Queue[str] = asyncio.Queue()
    done: list[str] = []

    async def worker() -> None:
        while True:
            done.append(await queue.get())
            queue.task_done()

    async def flush() -> None:
        queue.put_nowait("last one")
        await queue.join()

    life.service.loop("worker", worker)
    life.service.before_stop("flush", flush)
    async with await life.start():
        pass
    await life.end()
    assert done == ["last one"]


async def test_failing_and_hanging_hooks_do_not_stop_the_others(tmp_path: Path) -> None:
    life = Life(tmp_path, drain_timeout_s=0.1)

    async def fails() -> None:
        raise ValueError("no")

    async def hangs() -> None:
        await asyncio.Event().wait()

    life.service.before_stop("fails", fails)
    life.service.before_stop("hangs", hangs)
    life.service.before_stop("works", life.hook)
    async with await life.start():
        pass
    with structlog.testing.capture_logs() as logs:
        assert await life.end() == 0
    assert life.diary == ["hook"]
    assert [entry["hook"] for entry in logs if entry["event"] == "drain_hook_failed"] == ["fails", "hangs"]


async def test_resource_that_does_not_open_ends_the_start_and_leaves_the_open_ones(life: Life) -> None:
    life.service.resource("first", life.part("first"))
    life.service.resource("database", life.part("database", fails=True))
    life.service.resource("third", life.part("third"))
    life.service.loop("loop", life.loop)
    with structlog.testing.capture_logs() as logs:
        assert await life.service.serve() == 1
    assert life.diary == ["first opened", "first left"]
    (failure,) = [entry for entry in logs if entry["event"] == "start_failed"]
    assert (failure["resource"], failure["error"]) == ("database", "OSError('database is broken')")


async def test_resource_that_fails_to_close_does_not_keep_the_others_open(life: Life) -> None:
    @asynccontextmanager
    async def bad_end() -> AsyncIterator[None]:
        yield
        raise OSError("no")

    life.service.resource("first", life.part("first"))
    life.service.resource("bad", bad_end())
    async with await life.start():
        pass
    with structlog.testing.capture_logs() as logs:
        assert await life.end() == 0
    assert life.diary == ["first opened", "first left"]
    assert [entry["resource"] for entry in logs if entry["event"] == "resource_close_failed"] == ["bad"]


async def test_stop_while_starting_leaves_what_is_open_and_is_no_failure(life: Life) -> None:
    opening = asyncio.Event()

    @asynccontextmanager
    async def never_opens() -> AsyncIterator[None]:
        opening.set()
        await asyncio.Event().wait()
        yield

    life.service.resource("first", life.part("first"))
    life.service.resource("slow", never_opens())
    serving = asyncio.create_task(life.service.serve())
    await opening.wait()
    life.service.stop()
    assert await asyncio.wait_for(serving, timeout=30) == 0
    assert life.diary == ["first opened", "first left"]


async def test_cancelling_serve_also_leaves_everything_in_order(life: Life) -> None:
    life.service.resource("first", life.part("first"))
    life.service.loop("loop", life.loop)
    serving = asyncio.create_task(life.service.serve())
    await eventually(lambda: life.service.readiness()["service"] == "ok")
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert life.diary == ["first opened", "loop started", "loop cancelled", "first left"]
    assert _refuses(life.service.port)


async def test_service_may_end_itself_with_a_code_of_its_own(life: Life) -> None:
    async with await life.start():
        life.service.stop(exit_code=4)
    assert await life.end() == 4


async def test_crashing_loop_leaves_the_service_alive_and_shows_in_the_metrics(life: Life) -> None:
    async def crashes() -> None:
        raise ValueError("broken")

    life.service.loop("publisher", crashes)
    async with await life.start() as client:
        await eventually(lambda: _sample(life, "publisher") >= 1)
        metrics = (await client.get("/metrics")).text
        assert 'roundhouse_loop_crashes_total{loop="publisher"}' in metrics
        assert "process_resident_memory_bytes" in metrics
        assert (await client.get("/livez")).status_code == 200
    assert await life.end() == 0


async def test_port_in_use_is_one_line_and_nothing_is_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with occupied_port() as port:
        life = Life(tmp_path, port=port)
        life.service.resource("first", life.part("first"))
        assert await life.service.serve() == 3
    assert life.diary == []
    assert capsys.readouterr().err == (
        f"catalog: port {port} on 127.0.0.1 is in use by another program; "
        "stop that program or set ROUNDHOUSE_CATALOG_PORT\n"
    )


async def test_port_taken_during_the_start_is_reported_the_same_way(
    life: Life, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as other:

        @asynccontextmanager
        async def meanwhile() -> AsyncIterator[None]:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", life.service.port))
            other.listen()
            yield
            life.diary.append("left")

        life.service.resource("meanwhile", meanwhile())
        assert await life.service.serve() == 3
    assert life.diary == ["left"]
    assert "is in use by another program" in capsys.readouterr().err


def _sample(life: Life, loop: str) -> float:
    return life.service.registry.get_sample_value("roundhouse_loop_crashes_total", {"loop": loop}) or 0.0


def _refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0

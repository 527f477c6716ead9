"""A service as a process: signals, exit codes, what it says on stderr."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

_MAIN = """
import asyncio, sys
from pydantic_settings import SettingsConfigDict
from roundhouse_common.runtime import SystemClock, system_random
from roundhouse_common.service import Service, ServiceSettings, load_settings

class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="ROUNDHOUSE_CATALOG_")
    port: int = 0

service = Service("catalog", load_settings(Settings), clock=SystemClock(), rng=system_random())

async def hang():
    await asyncio.Event().wait()

if "--hanging-hook" in sys.argv:
    service.before_stop("hang", hang)
raise SystemExit(service.run())
"""


class Process:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[dict[str, object]] = []

    async def until(self, event: str) -> dict[str, object]:
        """Read the log up to this event."""
        assert self._process.stderr is not None
        while True:
            line = await asyncio.wait_for(self._process.stderr.readline(), timeout=60)
            assert line, f"the process ended before it said {event}: {self.lines}"
            self.lines.append(json.loads(line))
            if self.lines[-1]["event"] == event:
                return self.lines[-1]

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def end(self) -> tuple[int, str]:
        """Wait for the end and return the exit code and what else was on stderr."""
        _, errors = await asyncio.wait_for(self._process.communicate(), timeout=60)
        assert self._process.returncode is not None
        return self._process.returncode, errors.decode()


@asynccontextmanager
async def process(tmp_path: Path, *arguments: str, **environment: str) -> AsyncIterator[Process]:
    variables = {f"ROUNDHOUSE_CATALOG_{name.upper()}": value for name, value in environment.items()}
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _MAIN, *arguments),
        env={"ROUNDHOUSE_CATALOG_STATE_DIR": str(tmp_path), **variables},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Process(running)
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_drains_and_exits_with_zero(tmp_path: Path, number: signal.Signals) -> None:
    async with process(tmp_path) as service:
        started = await service.until("started")
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://127.0.0.1:{started['port']}/version")
            assert answer.json()["service"] == "catalog"
        service.send(number)
        await service.until("stopped")
        assert (await service.end())[0] == 0


async def test_second_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    async with process(tmp_path, "--hanging-hook", drain_timeout_s="600") as service:
        await service.until("started")
        service.send(signal.SIGTERM)
        await service.until("stop_requested")
        service.send(signal.SIGTERM)
        assert await service.end() == (128 + signal.SIGTERM, "catalog: second SIGTERM: ending at once\n")


async def test_port_in_use_exits_with_three_and_one_line(tmp_path: Path) -> None:
    async with process(tmp_path) as first:
        port = (await first.until("started"))["port"]
        async with process(tmp_path, port=str(port)) as second:
            code, errors = await second.end()
    assert code == 3
    assert errors.splitlines() == [
        f"catalog: port {port} on 127.0.0.1 is in use by another program; "
        "stop that program or set ROUNDHOUSE_CATALOG_PORT"
    ]


async def test_unknown_setting_exits_with_two_and_one_line(tmp_path: Path) -> None:
    async with process(tmp_path, prot="1") as service:
        code, errors = await service.end()
    assert code == 2
    assert errors.splitlines() == [
        "catalog: there is no setting ROUNDHOUSE_CATALOG_PROT; did you mean ROUNDHOUSE_CATALOG_PORT?"
    ]


async def test_service_skeleton_loads_nothing_that_only_some_services_need(tmp_path: Path) -> None:
    heavy = ["fastapi", "sqlalchemy", "alembic", "joserfc", "cryptography", "opentelemetry.sdk", "rich", "aiohttp"]
    script = f"import sys, roundhouse_common.service; print([name for name in {heavy} if name in sys.modules])"
    running = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    output, _ = await running.communicate()
    assert output.decode().strip() == "[]"


async def test_what_was_kept_out_of_memory_can_still_be_imported() -> None:
    script = "import roundhouse_common.service, rich, aiohttp; print(rich.__name__, aiohttp.__name__)"
    running = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    output, _ = await running.communicate()
    assert output.decode().strip() == "rich aiohttp"


async def test_the_collector_rests_until_a_service_runs(tmp_path: Path) -> None:
    resting = "import gc, roundhouse_common.starting\nassert not gc.isenabled()\n"
    telling = """
async def tell():
    print(gc.isenabled(), flush=True)
    service.stop()
    await hang()

service.loop("tell", tell)
raise SystemExit"""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", resting + _MAIN.replace("raise SystemExit", telling)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "ROUNDHOUSE_CATALOG_STATE_DIR": str(tmp_path)},
    )
    said, _ = await process.communicate()
    assert (process.returncode, said) == (0, b"True\n")

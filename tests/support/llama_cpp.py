"""A real llama.cpp engine in a process of its own, with the small chat model of the tests."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.scheduler import Endpoint
from roundhouse_node_agent.engines import xllamacpp_runner
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.running_router import endpoint
from tests.support.scheduler_stub import SMOLLM2

__all__ = ["LlamaCpp", "llama_cpp"]


class LlamaCpp:
    """The process, and what it tells of itself."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, session: aiohttp.ClientSession) -> None:
        self._process = process
        self._session = session
        self.url = f"http://127.0.0.1:{port}"

    def endpoint(self, number: int = 1) -> Endpoint:
        return endpoint(self.url, number, engine=EngineKind.LLAMA_CPP, engine_api_key="")

    def pause(self) -> None:
        """Have it do nothing more; its sockets stay open."""
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait()

    async def is_up(self) -> bool:
        try:
            async with self._session.get("/health") as answer:
                return answer.status == 200
        except aiohttp.ClientConnectionError:
            return False

    def cpu_s(self) -> float:
        """Return the processor time of all its threads. Asking it by HTTP would wake what it waits with."""
        threads = Path(f"/proc/{self._process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text(encoding="ascii").split()[0]) for thread in threads) / 1e9

    async def slots(self) -> list[dict[str, Any]]:  # Any: JSON
        async with self._session.get("/slots") as answer:
            told: list[dict[str, Any]] = await answer.json()
            return told

    async def busy(self) -> int:
        """Return how many slots work on something."""
        return sum(slot["is_processing"] for slot in await self.slots())


@contextlib.asynccontextmanager
async def llama_cpp(*, parallel: int = 2, context: int = 2048) -> AsyncIterator[LlamaCpp]:
    """Run one; it is ready."""
    port = free_port()
    command = [sys.executable, "-I", xllamacpp_runner.__file__, "--model", str(SMOLLM2), "--alias", "tiny"]
    options = ["--port", str(port), "--parallel", str(parallel), "--context", str(context)]
    with subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
                engine = LlamaCpp(process, port, session)
                await eventually(engine.is_up, within_s=60)
                yield engine
        finally:
            process.kill()

"""A whole Roundhouse in a temporary directory, started and stopped by its own command."""

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import psutil

from roundhouse_cli.connection import Connection
from roundhouse_cli.errors import Unreachable
from roundhouse_cli.local.secrets import Secrets
from roundhouse_cli.rest import Services
from roundhouse_common.runtime import SystemClock

T = TypeVar("T")

DEMO = "smollm2-135m-instruct"
ROOT = Path(__file__).resolve().parents[2]
_LISTENS_WITHIN_S = 20.0


def free_base_port() -> int:
    """Return the first of ten neighbouring free ports, with room for engines above them.

    Where to look first is left to chance: two processes of tests that start at once would find the same.
    """
    bases = list(range(21_000, 32_000, 1_000))
    random.shuffle(bases)
    for base in bases:
        if all(_is_free(base + offset) for offset in range(10)):
            return base
    raise RuntimeError("no ten neighbouring ports are free on 127.0.0.1")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class Platform:
    """Runs the `roundhouse` command against one data directory, and finds the processes it started."""

    def __init__(
        self,
        data_dir: Path,
        base_port: int,
        *,
        environment: Mapping[str, str] | None = None,
        has_console: bool = False,
    ) -> None:
        """`environment` is what the services find beside what `up` tells them."""
        self._has_console = has_console
        self.data_dir = data_dir
        self.base_port = base_port
        self._environment = dict(environment or {})

    def command(self, *args: str, timeout_s: float = 120) -> str:
        """Run `roundhouse ARGS` against this data directory and return what it printed."""
        done = self.try_command(*args, timeout_s=timeout_s)
        assert done.returncode == 0, f"roundhouse {' '.join(args)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def try_command(self, *args: str, timeout_s: float = 120) -> "subprocess.CompletedProcess[str]":
        """Run `roundhouse ARGS` and return the outcome, whatever it is."""
        return subprocess.run(
            [sys.executable, "-m", "roundhouse_cli", *args],
            env={
                **os.environ,
                **self._environment,
                "ROUNDHOUSE_CONNECTION": str(self.data_dir / "connection.json"),
                "NO_COLOR": "1",
            },
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def up(self, *args: str) -> str:
        place = ("--data-dir", str(self.data_dir), "--base-port", str(self.base_port))
        console = "--console" if self._has_console else "--no-console"
        return self.command("up", "--detach", *place, console, *args)

    def down(self) -> str:
        return self.command("down", "--data-dir", str(self.data_dir))

    @property
    def connection(self) -> dict[str, str]:
        """Return the connection file, and an administrator's token signed with the key of the data directory."""
        found: dict[str, str] = json.loads((self.data_dir / "connection.json").read_text())
        token = Secrets(self.data_dir / "secrets").admin_token(SystemClock(), 3600.0)
        return {**found, "admin_token": token}

    def json(self, *args: str) -> Any:  # Any: whatever the listing holds
        return json.loads(self.command(*args, "-o", "json"))

    def ask(self, question: Callable[[Services], T]) -> T:
        """Ask the REST APIs as the command does: for what is polled, since a command takes long to start.

        A service that has just been started again may not listen yet; it is asked again.
        """
        deadline = time.monotonic() + _LISTENS_WITHIN_S
        while True:
            try:
                with Services(Connection.load(self.data_dir / "connection.json")) as services:
                    return question(services)
            except Unreachable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def processes(self) -> Iterator[psutil.Process]:
        """Yield every live process whose environment or command line names this data directory."""
        for process in psutil.process_iter():
            try:
                words = [*process.cmdline(), *process.environ().values()]
                if process.status() != psutil.STATUS_ZOMBIE and any(str(self.data_dir) in word for word in words):
                    yield process
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue

    def pid(self, service: str) -> int | None:
        """Return the process id of one service ("nats", "catalog", ...), or None while it is down."""
        wanted = "nats-server" if service == "nats" else f"roundhouse_{service.replace('-', '_')}"
        for process in self.processes():
            line = process.cmdline()
            is_service = line[1:3] == ["-m", wanted] and len(line) == 3
            if is_service or (service == "nats" and line and line[0].endswith(wanted)):
                return process.pid
        return None

    def replicas(self) -> list[dict[str, Any]]:
        """Return the replicas that have not ended, as `ps` shows them."""
        return self.ask(lambda services: services.scheduler.items("/api/v1/replicas"))

    def nodes(self) -> list[dict[str, Any]]:
        return self.ask(lambda services: services.scheduler.items("/api/v1/nodes"))

    def engine_pids(self) -> set[int]:
        return {replica["pid"] for replica in self.replicas() if replica["phase"] == "ready"}

    async def kill(self, service: str) -> None:
        """kill -9 one service and wait until another process has taken its place."""
        before = self.pid(service)
        assert before is not None, f"{service} does not run"
        os.kill(before, signal.SIGKILL)
        await until(lambda: self.pid(service) not in (None, before), within_s=30, what=f"{service} restarted")


async def until(condition: Callable[[], object], *, within_s: float, what: str) -> None:
    """Poll until the condition holds; fail with `what` when it does not in time."""
    deadline = time.monotonic() + within_s
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        await asyncio.sleep(0.1)


async def fetch(url: str, token: str, **query: str) -> Any:  # Any: a JSON document
    """GET a JSON document with a bearer token."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, params=query, headers={"authorization": f"Bearer {token}"}) as answer,
    ):
        assert answer.status == 200, f"{url}: {answer.status} {await answer.text()}"
        return await answer.json()


async def send(method: str, url: str, token: str, body: object = None, *, expect: int = 200) -> Any:  # Any: as `fetch`
    """Send a JSON body with a bearer token and return the JSON answer; any other status than expected is a failure."""
    headers = {"authorization": f"Bearer {token}", **({"if-match": "*"} if method in {"PATCH", "DELETE"} else {})}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, json=body, headers=headers) as answer,
    ):
        text = await answer.text()
        assert answer.status == expect, f"{method} {url}: {answer.status} {text}"
        return json.loads(text) if text else None

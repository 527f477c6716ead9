"""The parent of several workers: starts them, starts them again when they die, and passes signals on.

It serves nothing and keeps no state. The kernel spreads connections over the workers (SO_REUSEPORT); the socket of one
that died is gone at once, so nobody waits for it. A worker drains and ends when its parent does, however that ends: its
standard input closes.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping
from typing import Final

from roundhouse_common.runtime import Clock
from roundhouse_common.service import get_logger
from roundhouse_common.service.listener import PortInUse, bind
from roundhouse_common.service.service import EXIT_PORT_IN_USE, EXIT_START_FAILED
from roundhouse_common.service.settings import EXIT_BAD_SETTINGS
from roundhouse_router.settings import RouterSettings

__all__ = ["Parent"]

_FIRST_DELAY_S: Final = 0.1
_LONGEST_DELAY_S: Final = 10.0
_HEALTHY_AFTER_S: Final = 30.0
"""A worker that ran this long before it died is started again with the shortest delay."""
_HOPELESS: Final = (EXIT_BAD_SETTINGS, EXIT_PORT_IN_USE)
_log = get_logger(__name__)


class Parent:
    """`run` returns the exit code: 0, or that of a worker that starting again does not help."""

    def __init__(self, settings: RouterSettings, *, clock: Clock, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._clock = clock
        self._environment = environment
        self._children: dict[int, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()
        self._exit_code = 0

    def run(self, gathering_place: str) -> int:
        """Run until a signal. Workers meet in the directory `gathering_place`."""
        settings = self._settings
        try:
            with _reserved(settings.host, settings.port) as reserved:
                return asyncio.run(self._keep_all(reserved.getsockname()[1], gathering_place))
        except PortInUse:
            _say(f"router: port {settings.port} on {settings.host} is in use by another program")
            return EXIT_PORT_IN_USE
        except OSError as error:
            _say(f"router: cannot listen on {settings.host}:{settings.port}: {error.strerror}")
            return EXIT_START_FAILED

    async def _keep_all(self, port: int, gathering_place: str) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        _log.info("workers_started", workers=self._settings.workers, port=port)
        async with asyncio.TaskGroup() as group:
            for worker in range(self._settings.workers):
                group.create_task(self._keep(worker, port, gathering_place), name=f"worker {worker}")
        _log.info("workers_stopped", exit_code=self._exit_code)
        return self._exit_code

    async def _keep(self, worker: int, port: int, gathering_place: str) -> None:
        deaths = 0
        while not self._stopping.is_set():
            began = self._clock.monotonic()
            exit_code = await self._run_once(worker, port, gathering_place)
            if self._stopping.is_set():
                self._exit_code = self._exit_code or max(exit_code, 0)
                return
            if exit_code in _HOPELESS:
                self._exit_code = exit_code
                self._stop(signal.SIGTERM)
                return
            deaths = 1 if self._clock.monotonic() - began > _HEALTHY_AFTER_S else deaths + 1
            delay_s = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2 ** min(deaths - 1, 20))
            _log.error("worker_died", worker=worker, exit_code=exit_code, restart_in_s=delay_s)
            await self._rest(delay_s)

    async def _run_once(self, worker: int, port: int, gathering_place: str) -> int:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "roundhouse_router",
            stdin=asyncio.subprocess.PIPE,  # never written to: it closes when this process ends
            env={
                **self._environment,
                "ROUNDHOUSE_ROUTER_PORT": str(port),
                "ROUNDHOUSE_ROUTER_WORKER": str(worker),
                "ROUNDHOUSE_ROUTER_WORKERS_DIR": gathering_place,
            },
            start_new_session=True,  # a terminal's Ctrl-C reaches this process only, which passes it on once
        )
        self._children[worker] = child
        if self._stopping.is_set():
            child.terminate()
        try:
            return await child.wait()
        finally:
            del self._children[worker]

    async def _rest(self, delay_s: float) -> None:
        try:
            async with asyncio.timeout(delay_s):
                await self._stopping.wait()
        except TimeoutError:
            return

    def _on_signal(self, number: signal.Signals) -> None:
        if self._stopping.is_set():
            _say(f"router: second {number.name}: ending at once")
            self._tell(number)
            os._exit(128 + number)
        _log.info("stop_requested", signal=number.name)
        self._stop(signal.SIGTERM)

    def _stop(self, number: signal.Signals) -> None:
        self._stopping.set()
        self._tell(number)

    def _tell(self, number: signal.Signals) -> None:
        for child in self._children.values():
            if child.returncode is None:
                child.send_signal(number)


def _reserved(host: str, port: int) -> socket.socket:
    """Hold the port for the workers. Raises PortInUse also for a port that another router shares among its workers."""
    probe = bind(host, port)
    taken = probe.getsockname()[1]
    probe.close()
    return bind(host, taken, is_shared=True)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - for the person who started it, not for the log

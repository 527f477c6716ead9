"""`Service`: the life of a process, from opening its resources to leaving them in order.

Start: bind the port, open the resources in order, start the loops, listen.
SIGTERM or SIGINT: not ready any more, stop accepting and finish the requests in flight, run the drain hooks while the
loops still turn, cancel the loops, leave the resources in reverse order. A second signal ends the process at once.
"""

import asyncio
import faulthandler
import gc
import importlib.metadata
import os
import random
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import uvloop
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector

from roundhouse_common import telemetry
from roundhouse_common.runtime import Clock
from roundhouse_common.service.http_metrics import HttpMetrics
from roundhouse_common.service.listener import HttpListener, Listener, PortInUse, bind
from roundhouse_common.service.logging import configure_logging, get_logger
from roundhouse_common.service.ops import ASGIApp, OpsApp, guarded
from roundhouse_common.service.settings import ServiceSettings
from roundhouse_common.service.supervisor import Supervisor

__all__ = ["EXIT_PORT_IN_USE", "EXIT_START_FAILED", "Service"]

EXIT_START_FAILED: Final = 1
EXIT_PORT_IN_USE: Final = 3
_LEAVE_TIMEOUT_S: Final = 10.0
"""How long cancelled loops, and then each resource, may take to finish."""

_log = get_logger(__name__)


class Service:
    """Collects the parts of a service, then runs them. `main.py` builds one and returns `run()` as the exit code."""

    def __init__(self, name: str, settings: ServiceSettings, *, clock: Clock, rng: random.Random) -> None:
        self.name = name
        self.instance = settings.instance
        self.version = importlib.metadata.version(f"roundhouse-{name}")
        self.registry = CollectorRegistry()
        self.port = settings.port
        self._settings = settings
        self._clock = clock
        self._resources: list[tuple[str, AbstractAsyncContextManager[Any]]] = []
        self._loops: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        self._hooks: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        self._is_port_shared = False
        self._is_guarded_there = False
        self._metrics_token = settings.metrics_token()
        self._listen: Callable[[ASGIApp, socket.socket], HttpListener] = self._uvicorn
        self._checks: dict[str, Callable[[], str | None]] = {}
        self._states: dict[str, Callable[[], str]] = {}
        self._phase = "starting"
        self._exit_code = 0
        self._stop_requested = asyncio.Event()
        self._main: asyncio.Task[Any] | None = None
        self._supervisor = Supervisor(clock=clock, rng=rng, registry=self.registry)
        self._ops = OpsApp(
            readiness=self.readiness,
            registry=self.registry,
            version={"service": name, "version": self.version, "instance": self.instance},
            states=lambda: {name: state() for name, state in self._states.items()},
        )
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def resource(self, name: str, opened: AbstractAsyncContextManager[Any]) -> None:
        """Enter it at the start, in the order of these calls; leave it at the end, in reverse order."""
        self._resources.append((name, opened))

    def loop(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Keep it running from when the resources are open until it is cancelled. Returning counts as a crash."""
        self._loops.append((name, run))

    def before_stop(self, name: str, hook: Callable[[], Awaitable[None]]) -> None:
        """Await it after HTTP has drained and while the loops still turn, e.g. to flush an outbox."""
        self._hooks.append((name, hook))

    def ready_when(self, name: str, check: Callable[[], str | None]) -> None:
        """Ask it at each /readyz: None means ready, else it says in words why not."""
        self._checks[name] = check

    def shows(self, name: str, state: Callable[[], str]) -> None:
        """Show it at each /readyz, beside the checks: it says what the service is, not whether it is ready."""
        self._states[name] = state

    def http(self, app: ASGIApp) -> None:
        """Send every request there, measured, except those to the operator's endpoints. It gets no lifespan events."""
        self._ops.inner = HttpMetrics(app, self.registry, now=self._clock.monotonic)

    def listen_with(
        self,
        make: Callable[[ASGIApp, socket.socket], HttpListener],
        *,
        is_shared: bool = False,
        is_guarded_there: bool = False,
    ) -> None:
        """Serve by another listener than uvicorn. It is given the operator's endpoints and the bound socket.

        `is_shared`: further processes listen on the same port. `is_guarded_there`: the endpoints come as they are, and
        `make` puts `guarded` before what it shows.
        """
        self._listen = make
        self._is_port_shared = is_shared
        self._is_guarded_there = is_guarded_there

    def guarded(self, app: ASGIApp) -> ASGIApp:
        """Return the application with `/metrics` for those only who have this service's token, if it has one."""
        return guarded(app, self._metrics_token)

    def stop(self, *, exit_code: int = 0) -> None:
        """Begin to drain, as SIGTERM does, and end with this exit code. Safe to repeat; the first code counts."""
        if self._stop_requested.is_set():
            return
        self._exit_code = exit_code
        self._stop_requested.set()
        if self._phase == "starting" and self._main is not None:
            self._main.cancel()

    @property
    def is_stopping(self) -> bool:
        """Whether it drains or has ended: what only waits should let go."""
        return self._stop_requested.is_set()

    def readiness(self) -> dict[str, str]:
        """Return each check's `ok` or why it is not."""
        checks = {"service": "ok" if self._phase == "running" else self._phase}
        for name, check in self._checks.items():
            try:
                checks[name] = check() or "ok"
            except Exception as error:  # noqa: BLE001 - a broken check must show as "not ready", not as an error page
                checks[name] = f"the check itself failed: {error!r}"
        return checks

    def run(self) -> int:
        """Run until a signal. Return 0, 1 (start failed), 3 (port in use) or what `stop` was given."""
        os.umask(0o077)
        gc.enable()  # see `roundhouse_common.starting`
        faulthandler.enable()
        settings = self._settings
        configure_logging(
            service=self.name, instance=self.instance, level=settings.log_level, style=settings.log_format
        )
        end_tracing = telemetry.configure_tracing(
            service=self.name, instance=self.instance, endpoint=settings.otlp_endpoint
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            try:
                return runner.run(self._run_with_signals())
            finally:
                end_tracing()

    async def serve(self) -> int:
        """Do what `run` does in the running loop, without touching signals, logging or tracing. For tests."""
        self._main = asyncio.current_task()
        try:
            reserved = bind(self._settings.host, self._settings.port, is_shared=self._is_port_shared)
        except PortInUse:
            return self._complain_about_port()
        except OSError as error:
            _say(f"{self.name}: cannot listen on {self._settings.host}:{self._settings.port}: {error.strerror}")
            return EXIT_START_FAILED
        with reserved:
            self.port = reserved.getsockname()[1]
            return await self._live(reserved)

    async def _run_with_signals(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        return await self.serve()

    def _on_signal(self, number: signal.Signals) -> None:
        if self._stop_requested.is_set():
            _say(f"{self.name}: second {number.name}: ending at once")
            os._exit(128 + number)
        _log.info("stop_requested", signal=number.name)
        self.stop()

    async def _live(self, reserved: socket.socket) -> int:
        opened: list[tuple[str, AbstractAsyncContextManager[Any]]] = []
        tasks: list[asyncio.Task[None]] = []
        listener = self._listen(self._ops if self._is_guarded_there else self.guarded(self._ops), reserved)
        try:
            await self._start(opened, tasks, listener)
            await self._stop_requested.wait()
            await self._drain(listener)
        except PortInUse:
            self._exit_code = self._complain_about_port()
        except asyncio.CancelledError:
            if not self._stop_requested.is_set() or self._main is None:
                raise
            self._main.uncancel()
        except _StartFailed as error:
            _log.critical("start_failed", resource=error.resource, error=repr(error.cause), exc_info=error.cause)
            self._exit_code = EXIT_START_FAILED
        finally:
            self._phase = "stopping"
            await listener.stop()
            await _cancel(tasks)
            await _leave(opened)
        _log.info("stopped", exit_code=self._exit_code)
        return self._exit_code

    async def _start(
        self,
        opened: list[tuple[str, AbstractAsyncContextManager[Any]]],
        tasks: list[asyncio.Task[None]],
        listener: HttpListener,
    ) -> None:
        for name, resource in self._resources:
            try:
                await resource.__aenter__()
            except Exception as error:
                raise _StartFailed(name, error) from error
            opened.append((name, resource))
        for name, run in self._loops:
            tasks.append(asyncio.create_task(self._supervisor.keep_running(name, run), name=name))
        await listener.start()
        self._phase = "running"
        gc.collect()
        gc.freeze()  # what lives now lives until the end: the collector need not look at it again
        _log.info("started", version=self.version, host=self._settings.host, port=self.port)

    async def _drain(self, listener: HttpListener) -> None:
        self._phase = "stopping"
        await listener.stop()
        for name, hook in self._hooks:
            try:
                async with asyncio.timeout(self._settings.drain_timeout_s):
                    await hook()
            except Exception as error:  # noqa: BLE001 - a failing hook must not keep the others from running
                _log.error("drain_hook_failed", hook=name, error=repr(error), exc_info=error)

    def _uvicorn(self, ops: ASGIApp, reserved: socket.socket) -> HttpListener:
        return Listener(ops, reserved, drain_timeout_s=self._settings.drain_timeout_s)

    def _complain_about_port(self) -> int:
        variable = f"ROUNDHOUSE_{self.name.upper().replace('-', '_')}_PORT"
        _say(
            f"{self.name}: port {self.port} on {self._settings.host} is in use by another program; "
            f"stop that program or set {variable}"
        )
        return EXIT_PORT_IN_USE


class _StartFailed(Exception):
    def __init__(self, resource: str, cause: Exception) -> None:
        super().__init__(resource)
        self.resource = resource
        self.cause = cause


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        _, stuck = await asyncio.wait(tasks, timeout=_LEAVE_TIMEOUT_S)
        for task in stuck:
            _log.error("loop_would_not_stop", loop=task.get_name())


async def _leave(opened: list[tuple[str, AbstractAsyncContextManager[Any]]]) -> None:
    for name, resource in reversed(opened):
        try:
            async with asyncio.timeout(_LEAVE_TIMEOUT_S):
                await resource.__aexit__(None, None, None)
        except Exception as error:  # noqa: BLE001 - what is left open must not keep the others open
            _log.error("resource_close_failed", resource=name, error=repr(error), exc_info=error)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - for the person who started it, not for the log
